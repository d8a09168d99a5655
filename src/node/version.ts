/** Quorate's version; a test holds it to package.json's. */
export const quorateVersion = "0.1.0";

import { matrixTests } from "./support/matrix.js";

matrixTests("0.3.11");

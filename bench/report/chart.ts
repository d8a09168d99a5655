export interface Series {
  readonly name: string;
  readonly points: readonly ChartPoint[];
}

export interface ChartPoint {
  readonly label: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface ChartText {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
}

const size = { width: 760, height: 420, left: 90, right: 150, top: 50, bottom: 60 };
/** Told apart by people who see fewer colours as well. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];

/** A chart of lines over a logarithmic axis, each point with its spread, as SVG. */
export function lineChart(text: ChartText, series: readonly Series[]): string {
  const labels = series[0]?.points.map(({ label }) => label) ?? [];
  const values = series.flatMap(({ points }) => points.flatMap(({ min, max }) => [min, max]));
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive))));
  const { width, height, left, right, top, bottom } = size;
  const x = (at: number) =>
    left + ((width - left - right) * (at + 0.5)) / Math.max(1, labels.length);
  const y = (value: number) => {
    const part = (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low);
    return height - bottom - (height - top - bottom) * part;
  };
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(text.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="24" font-size="15">${escaped(text.title)}</text>`,
    `<text x="${(left + width - right) / 2}" y="${height - 14}" text-anchor="middle">${escaped(text.xTitle)}</text>`,
    `<text transform="translate(18 ${height / 2}) rotate(-90)" text-anchor="middle">${escaped(text.yTitle)}</text>`,
    ...grid(low, high, y),
    ...labels.map(
      (label, at) =>
        `<text x="${x(at)}" y="${height - bottom + 20}" text-anchor="middle">${escaped(label)}</text>`,
    ),
    ...series.flatMap((one, at) => drawn(one, colours[at % colours.length] ?? "#000", at, x, y)),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function grid(low: number, high: number, y: (value: number) => number): string[] {
  const right = size.width - size.right;
  return Array.from({ length: high - low + 1 }, (_, step) => {
    const value = 10 ** (low + step);
    const line = `<line x1="${size.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>`;
    const label = value >= 1 ? value.toLocaleString("en-US") : String(value);
    const mark = `<text x="${size.left - 8}" y="${y(value) + 4}" text-anchor="end">${label}</text>`;
    return `${line}\n${mark}`;
  });
}

function drawn(
  { name, points }: Series,
  colour: string,
  place: number,
  ...[x, y]: [x: (at: number) => number, y: (value: number) => number]
): string[] {
  const path = points.map(({ median }, at) => `${at === 0 ? "M" : "L"}${x(at)} ${y(median)}`);
  const legendY = size.top + 20 * place;
  const legendX = size.width - size.right + 14;
  return [
    `<path d="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...points.map(
      ({ median, min, max }, at) =>
        `<line x1="${x(at)}" x2="${x(at)}" y1="${y(min)}" y2="${y(max)}" stroke="${colour}"/>` +
        `<circle cx="${x(at)}" cy="${y(median)}" r="4" fill="${colour}"><title>${median.toFixed(2)}</title></circle>`,
    ),
    `<rect x="${legendX}" y="${legendY - 9}" width="12" height="12" fill="${colour}"/>`,
    `<text x="${legendX + 18}" y="${legendY + 2}">${escaped(name)}</text>`,
  ];
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

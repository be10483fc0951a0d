/** The results as a picture: bars, each as long as the time relative to Flambeau's, on a logarithmic axis. */
import { duration, measured, type Results } from "./results.ts";

/** In pairs of dark and light, as the first libraries come with few threads and with many. */
const colours = ["#c2410c", "#fb923c", "#1d4ed8", "#60a5fa", "#6d28d9", "#0f766e"];
const barHeight = 13;
const groupGap = 12;
const left = 130;
const plotWidth = 560;
const right = 110;
const top = 64;

const escape = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

/** SVG text. */
export function chart(results: Results): string {
  const subjects = Object.keys(results.subjects);
  const colourOf = (subject: string): string => colours[subjects.indexOf(subject) % colours.length] as string;
  const groups = Object.keys(results.workloads).flatMap((workload) => {
    const own = measured(results, workload, "flambeau");
    if (own === undefined) return [];
    const bars = subjects.flatMap((subject) => {
      const figures = measured(results, workload, subject);
      return figures === undefined ? [] : [{ subject, us: figures.best, ratio: figures.best / own.best }];
    });
    return [{ workload, bars }];
  });
  const ratios = groups.flatMap(({ bars }) => bars.map(({ ratio }) => ratio));
  // From a whole power of ten to a whole power of ten, with 1 inside.
  const low = Math.floor(Math.log10(Math.min(0.5, ...ratios)));
  const high = Math.ceil(Math.log10(Math.max(2, ...ratios)));
  const x = (ratio: number): number => left + ((Math.log10(ratio) - low) / (high - low)) * plotWidth;

  const parts: string[] = [];
  let y = top;
  for (const { workload, bars } of groups) {
    const middle = y + (bars.length * barHeight) / 2 + 4;
    parts.push(`<text x="${left - 8}" y="${middle}" text-anchor="end">${escape(workload)}</text>`);
    for (const { subject, us, ratio } of bars) {
      const end = x(ratio).toFixed(1);
      const width = (x(ratio) - left).toFixed(1);
      parts.push(
        `<rect x="${left}" y="${y}" width="${width}" height="${barHeight - 2}" fill="${colourOf(subject)}"/>`,
        `<text class="figure" x="${Number(end) + 4}" y="${y + barHeight - 4}">${escape(duration(us))}</text>`,
      );
      y += barHeight;
    }
    y += groupGap;
  }
  const bottom = y - groupGap / 2;
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const grid = ticks.map((ratio) => {
    const at = x(ratio).toFixed(1);
    const line = `<path d="M${at} ${top - 8}V${bottom}" stroke="${ratio === 1 ? "#444" : "#ccc"}"/>`;
    return `${line}<text class="figure" x="${at}" y="${bottom + 14}" text-anchor="middle">${ratio}</text>`;
  });
  const legend = subjects.map((subject, i) => {
    const at = left + i * 130;
    return `<rect x="${at}" y="32" width="10" height="10" fill="${colourOf(subject)}"/><text x="${at + 15}" y="41">${escape(subject)}</text>`;
  });
  const width = Math.max(left + plotWidth + right, left + subjects.length * 130);
  const height = bottom + 36;
  const title = "Time of one call, as a multiple of Flambeau's (shorter is faster; logarithmic)";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>text{font:12px sans-serif;fill:#222}.figure{font-size:10px;fill:#555}</style>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${left}" y="20" font-weight="bold">${escape(title)}</text>`,
    ...legend,
    ...grid,
    ...parts,
    `<text class="figure" x="${left}" y="${height - 6}">${escape(caption(results))}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function caption({ machine, date }: Results): string {
  return `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${date.slice(0, 10)}`;
}

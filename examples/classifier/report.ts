/** The report page: one HTML file with nothing outside it. */

import { basename } from "node:path";
import { confusionMatrix, decision, escapeText, graph, lineChart } from "flambeau/viz";
import type { Point } from "flambeau/viz";
import type { Dataset, Samples } from "./dataset.ts";
import type { Options } from "./options.ts";
import { lossOfFew, predict } from "./train.ts";
import type { Result } from "./train.ts";

/** Points beyond this many are thinned out in the decision picture. */
const POINTS = 2000;
/** Rows of the table of classes. */
const CLASS_ROWS = 200;

const STYLE = `
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#1c2230;--soft:#5b6472;--line:#e1e5ea;--accent:#2563eb}
@media(prefers-color-scheme:dark){:root{--page:#0e1116;--card:#171b22;--ink:#e8ebf0;--soft:#a2acba;--line:#2b323d;--accent:#6ea8fe}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:880px;margin:0 auto;padding:40px 20px 64px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 4px}
h2{font-size:1.1rem;margin:0 0 4px}
p{margin:0 0 12px;color:var(--soft);max-width:68ch}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:22px 24px;margin-top:20px}
.score{display:flex;align-items:baseline;gap:14px;flex-wrap:wrap}
.score strong{font-size:2.6rem;line-height:1.1;color:var(--accent);font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
.wide .viz{display:block}
.graph .viz{max-width:none;margin:0 auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child>*{border-bottom:0}
th{font-weight:500;color:var(--soft)}
td.n,th.n{text-align:right}
tbody th{width:40%}
.classes tbody th{width:auto;color:var(--ink);font-weight:400;overflow-wrap:anywhere}
td{overflow-wrap:anywhere}
pre{overflow-x:auto;margin:0;font-size:13px;line-height:1.45}
code{font-size:.92em}
footer{margin-top:20px;color:var(--soft);font-size:13px}
`;

/** The page, as text. */
export function reportPage(dataset: Dataset, options: Options, result: Result): string {
  const accuracy = percent(result.accuracy);
  const title = `Classifier report: ${basename(dataset.name)}`;
  const sections = [
    numbers(dataset, options, result),
    section(
      "Loss",
      `Mean cross-entropy after each epoch. The training loss is the mean over the epoch's steps, on inputs with a little noise;
      the test samples are measured and never learned from.`,
      `<div class="wide">${lineChart(
        [
          { name: "training", x: result.history.epoch, y: result.history.train },
          { name: "test", x: result.history.epoch, y: result.history.test },
        ],
        { xLabel: "epoch", yLabel: "cross-entropy", width: 800, description: "Training and test loss by epoch." },
      )}</div>`,
    ),
    dataset.columns === 2 ? decisionSection(dataset, result) : "",
    confusionSection(dataset, result),
    graphSection(dataset, result),
    section("Model", "As the library prints it.", `<pre>${escapeText(String(result.model))}</pre>`),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeText(title)}</h1>
<p class="score"><strong>${accuracy}</strong> <span>of ${count(dataset.test.count)} test samples classified correctly</span></p>
${sections.filter((text) => text !== "").join("\n")}
<footer>Written by Flambeau's example program.</footer>
</main>
</body>
</html>
`;
}

function section(heading: string, text: string, body: string): string {
  return `<section><h2>${escapeText(heading)}</h2><p>${text}</p>${body}</section>`;
}

function numbers(dataset: Dataset, options: Options, result: Result): string {
  const rows: [string, string][] = [
    ["data", dataset.name],
    ["training samples", count(dataset.train.count)],
    ["test samples", count(dataset.test.count)],
    ["features", count(dataset.columns)],
    ["classes", count(dataset.classes.length)],
    ["layers", [dataset.columns, ...options.hidden, dataset.classes.length].join(" → ")],
    ["parameters", count(result.parameters)],
    ["epochs", `${count(result.epochs)}, in steps of ${count(options.batch)} samples`],
    ["optimizer", `Adam, learning rate ${options.lr} falling to 0`],
    ["seed", String(options.seed)],
    ["training time", `${result.seconds.toFixed(1)} s`],
    ["test accuracy", percent(result.accuracy)],
  ];
  const body = rows
    .map(([name, value]) => `<tr><th scope="row">${name}</th><td>${escapeText(value)}</td></tr>`)
    .join("");
  return `<section><h2>Numbers</h2><table><tbody>${body}</tbody></table></section>`;
}

function decisionSection(dataset: Dataset, result: Result): string {
  const { standardise } = dataset;
  const picture = decision(
    (places) => predict(result.model, standardise(Float64Array.from(places.flat())), 2),
    [...points(dataset.train, false), ...points(dataset.test, true)],
    {
      labels: dataset.classes,
      xLabel: "feature 1",
      yLabel: "feature 2",
      width: 800,
      height: 640,
      description: `The plane of the two features, coloured by the class that the network chooses, with the samples on it.`,
    },
  );
  return section(
    "Decisions",
    "The colour of the ground is the class that the network chooses there; ringed points are test samples.",
    `<div class="wide">${picture}</div>`,
  );
}

function points(samples: Samples, strong: boolean): Point[] {
  const shown: Point[] = [];
  const stride = Math.max(1, Math.ceil(samples.count / POINTS));
  for (let i = 0; i < samples.count; i += stride) {
    const x = samples.raw[2 * i] ?? 0;
    const y = samples.raw[2 * i + 1] ?? 0;
    shown.push({ x, y, label: samples.targets[i] ?? 0, strong });
  }
  return shown;
}

function confusionSection(dataset: Dataset, result: Result): string {
  const rows = result.counts.slice(0, CLASS_ROWS).map((row, i) => {
    const total = row.reduce((sum, value) => sum + value, 0);
    const right = row[i] ?? 0;
    const share = total === 0 ? "–" : percent(right / total);
    return (
      `<tr><th scope="row">${escapeText(dataset.classes[i] ?? "")}</th><td class="n">${count(total)}</td>` +
      `<td class="n">${count(right)}</td><td class="n">${share}</td></tr>`
    );
  });
  const more = result.counts.length - rows.length;
  const table =
    `<table class="classes"><thead><tr><th scope="col">class</th><th scope="col" class="n">test samples</th>` +
    `<th scope="col" class="n">correct</th><th scope="col" class="n">accuracy</th></tr></thead>` +
    `<tbody>${rows.join("")}</tbody></table>${more > 0 ? `<p>and ${count(more)} more classes</p>` : ""}`;
  return section(
    "Confusion matrix",
    "Each row holds the test samples of one class, by the class that the network gave them.",
    `<div class="wide">${confusionMatrix(result.counts, { labels: dataset.classes })}</div>${table}`,
  );
}

function graphSection(dataset: Dataset, result: Result): string {
  const loss = lossOfFew(result.model, dataset);
  const picture = graph(loss, { name: "loss", params: result.model.named_parameters() });
  return section(
    "Autograd graph of the loss",
    `What <code>loss.backward()</code> walks for ${dataset.train.count < 4 ? "a few" : "four"} samples. Arrows run as the
    values did, from the parameters to the loss; gradients run against them and end in the <code>.grad</code> of the blue leaves.`,
    `<div class="wide graph">${picture}</div>`,
  );
}

/** A share as the program prints it. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

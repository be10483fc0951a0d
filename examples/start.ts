/** `npm start`: the article's program, then a classifier trained before your eyes, with a report page. */

import { main as article } from "./backward.ts";
import { run } from "./classifier/run.ts";

// A reader that has seen enough (`npm start | head`) ends the program without a stack trace.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await run(process.argv.slice(2), {
  print: (line) => console.log(line),
  complain: (line) => console.error(line),
  progress: process.stderr,
  article,
});

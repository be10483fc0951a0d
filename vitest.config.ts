import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: [
      { find: /^flambeau$/, replacement: new URL("./src/index.ts", import.meta.url).pathname },
      { find: /^flambeau\/(.*)$/, replacement: new URL("./src/$1/index.ts", import.meta.url).pathname },
    ],
  },
  test: { include: ["test/**/*.test.ts"], testTimeout: 120_000 },
});

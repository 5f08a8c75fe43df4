// Makes src/howfar/explore/bundle.js and bundle.css of the sources beside this file. Equal sources give equal files.
import { build } from "esbuild";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "..", "src", "howfar", "explore");

const shared = { bundle: true, minify: true, charset: "utf8", legalComments: "none", logLevel: "warning", absWorkingDir: here };
await build({
  ...shared,
  entryPoints: ["src/main.ts"],
  format: "iife",
  target: "es2022",
  banner: { js: "/* howfar, Apache-2.0; made of web/src by `npm run build`. It holds no code of others. */" },
  outfile: join(target, "bundle.js"),
});
await build({ ...shared, entryPoints: ["src/explore.css"], outfile: join(target, "bundle.css") });

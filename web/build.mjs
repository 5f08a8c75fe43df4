// Makes the bundles in src/howfar/explore of the sources beside this file. Equal sources give equal files.
import { build, transform } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "..", "src", "howfar", "explore");

const banner = "/* howfar, Apache-2.0; made of web/src by `npm run build`. It holds no code of others. */";
const shared = { bundle: true, minify: true, charset: "utf8", legalComments: "none", logLevel: "warning", absWorkingDir: here };
const script = { ...shared, target: "es2022", banner: { js: banner } };
await build({ ...script, entryPoints: ["src/main.ts"], format: "iife", outfile: join(target, "bundle.js") });
await build({ ...script, entryPoints: ["src/widget.ts"], format: "esm", outfile: join(target, "widget.js") });
await build({ ...shared, entryPoints: ["src/explore.css"], outfile: join(target, "bundle.css") });

// A notebook may hold several widgets, which share a class where the page has an id; doubled, it counts for more than a notebook's own.
// How wide a widget is, the window does not say.
const page = await readFile(join(here, "src", "explore.css"), "utf8");
const widget = await readFile(join(here, "src", "widget.css"), "utf8");
const classed = page.replaceAll("#explore-app", ".howfar-explore.howfar-explore").replaceAll("@media (max-width", "@container (max-width");
const style = `${widget}\n${classed}`;
await writeFile(join(target, "widget.css"), (await transform(style, { loader: "css", minify: true, charset: "utf8" })).code);

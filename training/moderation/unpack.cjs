// Unpacks the classifier from the npm package nsfwjs: its graph as JSON, its weights as bytes.
// node unpack.cjs PACKAGE OUT
const fs = require("fs");
const path = require("path");

const [source, out] = process.argv.slice(2);
// The package calls these bundles ES modules; they are CommonJS, so they are read from a copy.
const models = path.join(out, "models");
fs.cpSync(path.join(source, "dist/models/mobilenet_v2_mid"), models, { recursive: true });
fs.writeFileSync(path.join(models, "package.json"), '{"type": "commonjs"}');

const graph = require(path.resolve(models, "model.min.js"));
const shards = graph.weightsManifest.flatMap((group) => group.paths);
const bytes = shards.map((name) =>
  Buffer.from(require(path.resolve(models, `${name}.min.js`)), "base64"),
);
fs.writeFileSync(path.join(out, "graph.json"), JSON.stringify(graph));
fs.writeFileSync(path.join(out, "weights.bin"), Buffer.concat(bytes));

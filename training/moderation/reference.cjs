// What TensorFlow.js itself makes of pictures: the reference that the converted graph is held to.
// node reference.cjs OUT FILE.raw…     each file is 224 x 224 x 3 bytes; prints JSON
const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs");

async function main() {
  const [out, ...files] = process.argv.slice(2);
  const graph = JSON.parse(fs.readFileSync(path.join(out, "graph.json")));
  const bytes = fs.readFileSync(path.join(out, "weights.bin"));
  const model = await tf.loadGraphModel({
    load: async () => ({
      modelTopology: graph.modelTopology,
      format: "graph-model",
      weightSpecs: graph.weightsManifest.flatMap((group) => group.weights),
      weightData: new Uint8Array(bytes).buffer,
    }),
  });
  const found = {};
  for (const file of files) {
    const pixels = Float32Array.from(fs.readFileSync(file), (value) => value / 255);
    const result = model.predict(tf.tensor4d(pixels, [1, 224, 224, 3]));
    found[path.basename(file, ".raw")] = Array.from(await result.data());
  }
  console.log(JSON.stringify(found));
}

main();

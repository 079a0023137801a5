// Tags sentences with a text model:   node tag.mjs MODEL < sentences.txt     (one a line, tokens separated by spaces)
import { readFileSync } from "node:fs";

process.env.ORT_DISABLE_TELEMETRY = "1";   // before the library loads, so no `import` statement: these come first
const ort = await import("onnxruntime-node");

// Code points, never UTF-16 units: a string's iterator yields the former, its index the latter.
const codePoints = text => Array.from(text, character => character.codePointAt(0));

async function tag(session, sentences) {
  const rows = sentences.map(codePoints);
  const width = Math.max(0, ...rows.map(row => row.length));
  const text = new Int32Array(rows.length * width);   // zeros after the shorter ones
  rows.forEach((row, number) => text.set(row, number * width));
  const feeds = { text: new ort.Tensor("int32", text, [rows.length, width]) };
  const { labels, scores, lengths } = await session.run(feeds);
  const tokens = labels.dims[1];
  return sentences.map((sentence, number) =>
    sentence.split(" ").filter(Boolean).slice(0, Number(lengths.data[number])).map((token, place) => ({
      token,
      label: labels.data[number * tokens + place],
      score: scores.data[number * tokens + place],
    })));
}

// A line ends at "\n"; one "\r" before that is no part of it, and U+2028 is a character.
const lines = readFileSync(0, "utf8").split("\n");
if (!lines.at(-1)) lines.pop();
const sentences = lines.map(line => line.replace(/\r$/, ""));
const session = await ort.InferenceSession.create(process.argv[2]);
for (const sentence of await tag(session, sentences))
  process.stdout.write(sentence.map(({ token, label }) => `${token}\t${label}\n`).join("") + "\n");

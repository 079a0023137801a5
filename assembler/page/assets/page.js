// Tags what is typed, in the browser. The model's text input wants code points; its outputs are labels as text.
import * as ort from "./ort/ort.wasm.min.mjs";

const $ = id => document.getElementById(id);
const bytes = count => count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
const milliseconds = time => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;

// Words with inner hyphens, apostrophes and points; emoji with all that is joined to them; any other sign by itself.
const WORDS = /[\p{L}\p{M}\p{N}]+(?:[-'’.,][\p{L}\p{M}\p{N}]+)*|\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F|\u200D\p{Extended_Pictographic})*|\S/gu;
// White space of every sort separates here; for the model it is U+0020 alone.
const tokensOf = (line, split) => line.split(/\s+/u).filter(Boolean).flatMap(word => split ? word.match(WORDS) ?? [] : [word]);

// Code points, never UTF-16 units: a string's iterator gives the former, its index the latter.
const codePoints = text => Array.from(text, character => character.codePointAt(0));

function encoded(sentences) {
  const rows = sentences.map(tokens => codePoints(tokens.join(" ")));
  const width = Math.max(1, ...rows.map(row => row.length));
  const text = new Int32Array(rows.length * width);
  rows.forEach((row, number) => text.set(row, number * width));
  return new ort.Tensor("int32", text, [rows.length, width]);
}

// Golden angles keep the colours of neighbouring labels apart; prefixes of spans share the colour of their class.
const nameOf = label => label.replace(/^[BIES]-/, "");
const isNone = label => label === "O" || label === "_";
function hues(labels) {
  const names = [...new Set(labels.filter(label => !isNone(label)).map(nameOf))];
  return new Map(names.map((name, place) => [name, Math.round(place * 137.508) % 360]));
}

function list(target, pairs) {
  target.replaceChildren(...pairs.flatMap(([name, value]) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = value;
    return [term, text];
  }));
}

function tokenElement(token, label, score, hue) {
  const element = document.createElement("span");
  element.className = isNone(label) ? "token none" : "token";
  element.tabIndex = -1;
  element.dataset.score = `${label} ${score.toFixed(4)}`;
  element.setAttribute("aria-label", `${token}: ${label}, score ${score.toFixed(4)}`);
  element.setAttribute("role", "img");
  element.style.setProperty("--hue", hue ?? 0);
  const tag = document.createElement("small");
  tag.textContent = label;
  element.append(token, tag);
  return element;
}

function show(sentences, result, outputs, colours) {
  const [labels, scores] = [result[outputs.labels], result[outputs.scores]];
  const seen = new Set();
  $("sentences").replaceChildren(...sentences.map((tokens, row) => {
    const item = document.createElement("li");
    item.append(...tokens.map((token, place) => {
      const at = row * labels.dims[1] + place;
      if (!isNone(labels.data[at])) seen.add(nameOf(labels.data[at]));
      return tokenElement(token, labels.data[at], scores.data[at], colours.get(nameOf(labels.data[at])));
    }));
    return item;
  }));
  const first = document.querySelector(".token");
  if (first) first.tabIndex = 0;
  $("legend").replaceChildren(...[...colours].filter(([name]) => seen.has(name)).map(([name, hue]) => {
    const item = document.createElement("li");
    item.style.setProperty("--hue", hue);
    item.textContent = name;
    return item;
  }));
}

// One token takes part in the order of Tab; arrow keys, Home and End move among all of them.
$("sentences").addEventListener("keydown", event => {
  const tokens = [...document.querySelectorAll(".token")], place = tokens.indexOf(document.activeElement);
  const steps = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tokens.length - 1 };
  const target = tokens[steps[event.key]];
  if (place < 0 || !target) return;
  tokens[place].tabIndex = -1;
  target.tabIndex = 0;
  target.focus();
  event.preventDefault();
});

function describe({ about }) {
  document.title = $("name").textContent = about.name;
  $("description").textContent = about.description;
  list($("about"), [
    ["labels", `${about.labels.length}, ${about.label_type}${about.spans ? ", spans" : ""}: ${about.labels.join(" ")}`],
    ["parts", `${about.parts.length}, ${about.parts.reduce((sum, part) => sum + part.parameters, 0).toLocaleString("en")} weights`],
    ["sources", about.sources.map(row => row.join("  ")).join("\n")],
    ["proof", about.proof],
    ["profile", `${about.profile}, opset ${about.opset}`],
    ["versions", Object.entries(about.versions).map(row => row.join(" ")).join("\n")],
  ]);
}

async function start() {
  const facts = await (await fetch("model.json")).json();
  describe(facts);
  $("graph").querySelector("img").addEventListener("error", () => { $("graph").hidden = true; });
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency ?? 1) : 1;
  const begin = performance.now();
  const model = new Uint8Array(await (await fetch("model.onnx")).arrayBuffer());
  const session = await ort.InferenceSession.create(model);
  await session.run({ [facts.input]: encoded([["."]]) });   // the first run prepares the code
  const loading = performance.now() - begin;
  const colours = hues(facts.about.labels);
  let running = false, waiting = false, timer = 0;

  async function tag() {
    if (running) { waiting = true; return; }
    running = true;
    do {
      waiting = false;
      try {
        await tagOnce();
        delete document.body.dataset.failed;
      } catch (error) { fail(error); }   // what is typed next may work
    } while (waiting);
    running = false;
  }

  async function tagOnce() {
    const sentences = $("text").value.split("\n").map(line => tokensOf(line, $("split").checked));
    const began = performance.now();
    const result = await session.run({ [facts.input]: encoded(sentences) });
    const time = performance.now() - began;
    show(sentences, result, facts.outputs, colours);
    const tokens = sentences.reduce((sum, each) => sum + each.length, 0);
    $("status").textContent = `${tokens} token${tokens === 1 ? "" : "s"} in ${milliseconds(time)}`;
    list($("figures"), [
      ["model", bytes(model.length)], ["loaded in", milliseconds(loading)],
      ["this text", `${sentences.filter(each => each.length).length} sentences, ${tokens} tokens, ${milliseconds(time)}`],
      ["threads", String(ort.env.wasm.numThreads)], ["runtime", `onnxruntime-web ${ort.env.versions.web}`],
    ]);
    document.body.dataset.tagged = String(1 + Number(document.body.dataset.tagged ?? 0));
  }

  const later = () => { clearTimeout(timer); timer = setTimeout(tag, 60); };
  $("text").addEventListener("input", later);
  $("split").addEventListener("change", later);
  if (!$("text").value) $("text").value = facts.examples.join("\n");
  await tag();
}

function fail(error) {
  $("status").textContent = `It did not work: ${error.message}`;
  document.body.dataset.failed = "yes";
}

start().catch(fail);

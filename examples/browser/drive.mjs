// Opens index.html in headless Chromium and tags sentences there:   node drive.mjs MODEL CHROMIUM < sentences.txt
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [model, executablePath] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const runtime = join(here, "..", "node_modules", "onnxruntime-web", "dist");
const types = { ".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm" };

const server = createServer((request, response) => {
  const name = basename(request.url);
  const file = name === "model.onnx" ? model : request.url.startsWith("/ort/") ? join(runtime, name) : join(here, name);
  try {
    const content = readFileSync(file);
    response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(content);
  } catch {
    response.writeHead(404).end();
  }
}).listen(0, "127.0.0.1");
await new Promise(resolve => server.once("listening", resolve));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  page.on("pageerror", error => console.error(error.message));
  await page.goto(`http://127.0.0.1:${server.address().port}/index.html`);
  await page.waitForSelector("body[data-ready]");
  await page.fill("#text", readFileSync(0, "utf8").replace(/\r?\n$/, ""));
  await page.dispatchEvent("#text", "change");
  await page.waitForSelector("body[data-tagged]");
  process.stdout.write(await page.textContent("#tags"));
} finally {
  await browser.close();
  server.close();
}

// Uses a served page as a person would, in headless Chromium, and prints what was seen as JSON:
//   node page.mjs ADDRESS CHROMIUM FOLDER        (screenshots go to FOLDER)
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "examples", "package.json"));
const { chromium } = require("playwright-core");
const [address, executablePath, folder] = process.argv.slice(2);
const seen = { errors: [], elsewhere: [] };

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function opened(options) {
  const page = await (await browser.newContext(options)).newPage();
  page.on("pageerror", error => seen.errors.push(error.message));
  page.on("request", request => { if (!request.url().startsWith(address) && !request.url().startsWith("data:")) seen.elsewhere.push(request.url()); });
  await page.goto(address);
  await page.waitForSelector("body[data-tagged]");
  return page;
}

const tokens = page => page.$$eval(".token", all => all.map(each => [each.firstChild.textContent, each.querySelector("small").textContent]));

async function typed(page, text) {
  const before = Number(await page.getAttribute("body", "data-tagged"));
  await page.fill("#text", "");
  await page.click("#text");
  await page.keyboard.insertText(text);
  await page.waitForFunction(
    ([count, last]) => Number(document.body.dataset.tagged) > count && [...document.querySelectorAll(".token")].at(-1)?.firstChild.textContent === last,
    [before, text.match(/\S$/u)[0]]);
}

try {
  const page = await opened({ viewport: { width: 1100, height: 1000 }, colorScheme: "light" });
  seen.title = await page.title();
  seen.example = (await tokens(page)).length;
  await page.screenshot({ path: join(folder, "light.png") });
  const status = () => page.$eval("#status", each => each.textContent);
  await page.evaluate(() => { window.Whole = Int32Array; window.Int32Array = class { constructor() { throw new Error("no room"); } }; });
  await page.fill("#text", "Das geht nicht .");
  await page.waitForSelector("body[data-failed]");
  seen.failed = [await status(), await page.getAttribute("body", "data-failed")];
  await page.evaluate(() => { window.Int32Array = window.Whole; });
  await typed(page, "Es geht !");
  seen.recovered = [(await status()).split(" ").slice(0, 3).join(" "), await page.$eval("body", each => "failed" in each.dataset)];
  await typed(page, "Wir sehen uns am 😀 Bahnhof.\n\nDie Katze (👩‍👩‍👧) schläft!");
  seen.typed = await tokens(page);
  await page.click("#split");
  await page.waitForFunction(() => [...document.querySelectorAll(".token")].at(-1).firstChild.textContent === "schläft!");
  seen.unsplit = (await tokens(page)).map(([token]) => token);
  await page.hover(".token:nth-of-type(2)");
  await page.waitForTimeout(300);
  seen.hover = await page.$eval(".token:nth-of-type(2)", each => [each.dataset.score, getComputedStyle(each, "::after").opacity]);
  await page.focus("#split");
  await page.keyboard.press("Tab");   // the text
  await page.keyboard.press("Tab");   // the first token
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  seen.focused = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  seen.figures = await page.$eval("#figures", each => each.textContent);
  await page.click("#model summary");
  seen.about = await page.$eval("#about", each => each.innerText);
  await page.click("#graph summary");
  seen.graph = await page.$eval("#graph img", each => each.decode().then(() => each.naturalWidth));
  seen.light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);

  const phone = await opened({ viewport: { width: 360, height: 740 }, colorScheme: "dark", isMobile: true, hasTouch: true });
  seen.dark = await phone.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await phone.click("#graph summary");
  await phone.click("#model summary");
  seen.overflow = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await phone.click("#graph summary");
  await phone.evaluate(() => scrollTo(0, 0));
  await phone.screenshot({ path: join(folder, "dark.png") });
  process.stdout.write(JSON.stringify(seen));
} finally {
  await browser.close();
}

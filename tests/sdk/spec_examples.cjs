// Prints every example call of the Segment spec's pages as one JSON list: node spec_examples.cjs FOLDER
// A block of code is either a payload (an object with a type, or the body of an endpoint) or calls of the library.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const KINDS = ["identify", "track", "page", "screen", "group", "alias"];
const found = [];

const pages = (folder) =>
  fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name);
    return entry.isDirectory() ? pages(full) : entry.name.endsWith(".md") ? [full] : [];
  });

const plain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// The library's own arguments: track(event, properties), page(category, name, properties), identify(id, traits), ...
const asMessage = (kind, args) => {
  const texts = args.filter((one) => typeof one === "string");
  const told = args.find(plain) ?? {};
  if (texts.length === 0 && (told.userId || told.anonymousId)) return { type: kind, ...told }; // a server library's form
  if (kind === "track") return { type: kind, event: texts[0], properties: told };
  if (kind === "identify") return { type: kind, userId: texts[0], traits: told };
  if (kind === "group") return { type: kind, groupId: texts[0], traits: told };
  if (kind === "alias") return { type: kind, userId: texts[0], previousId: texts[1] };
  return { type: kind, category: texts.length > 1 ? texts[0] : undefined, name: texts.at(-1), properties: told };
};

const payloads = (value, endpoint) => {
  if (!plain(value)) return [];
  if (Array.isArray(value.batch)) return value.batch;
  if (KINDS.includes(value.type) || KINDS.includes(value.action)) return [value];
  return endpoint ? [{ type: endpoint, ...value }] : [];
};

for (const page of pages(process.argv[2])) {
  const lines = fs.readFileSync(page, "utf8").split("\n");
  let block = null;
  let endpoint = "";
  lines.forEach((line, number) => {
    if (block === null) {
      const opened = /^\s*```\s*(\w*)/.exec(line);
      if (opened) block = { language: opened[1].toLowerCase(), from: number + 1, text: [] };
      return;
    }
    if (!/^\s*```/.test(line)) {
      block.text.push(line);
      return;
    }
    const text = block.text.join("\n");
    const where = `${path.basename(page)}:${block.from}`;
    const posted = /^POST .*\/v1\/(\w+)/.exec(text.trim());
    const add = (message) => found.push({ where, message });
    if (["json", "js", "javascript", ""].includes(block.language)) {
      const calls = [];
      const recorder = Object.fromEntries(KINDS.map((kind) => [kind, (...args) => calls.push(asMessage(kind, args))]));
      // As it stands, then with the commas that some examples lack between two lines.
      for (const code of [text, text.replace(/(["'}\]\d])\n(\s*["'\w])/g, "$1,\n$2")]) {
        try {
          payloads(vm.runInNewContext(`(${code.trim().replace(/;$/, "")})`, {}), endpoint).forEach(add);
          break;
        } catch {
          try {
            vm.runInNewContext(code, { analytics: recorder });
            break;
          } catch {
            // no example of a call: a fragment, a shell line, another language
          }
        }
      }
      calls.forEach(add);
    }
    endpoint = posted && KINDS.includes(posted[1]) ? posted[1] : "";
    block = null;
  });
}
console.log(JSON.stringify(found));

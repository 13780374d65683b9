// Makes every call of a Node SDK once: node node_calls.cjs segment|rudderstack URL KEY [JSON options]
"use strict";

const [, , family, url, key, options = "{}"] = process.argv;
const more = JSON.parse(options);

const calls = (sdk) => {
  const moment = new Date("2026-01-02T03:04:05.678Z");
  sdk.identify({ userId: "u-1", traits: { email: "ann@shop.example", plan: "gold", seats: 7 } });
  sdk.track({ userId: "u-1", event: "Plan Chosen", properties: { price: 9.99, nested: { ok: true } }, messageId: more.messageId });
  sdk.track({ anonymousId: "a-1", event: "Visited", timestamp: moment });
  sdk.page({ userId: "u-1", category: "Docs", name: "Pricing", properties: { url: "https://shop.example/pricing" } });
  sdk.screen({ userId: "u-1", name: "Home", properties: { tab: "first" } });
  sdk.group({ userId: "u-1", groupId: "g-1", traits: { employees: 420 } });
  sdk.alias({ previousId: "a-1", userId: "u-1" });
};

const main = async () => {
  if (family === "segment") {
    const { Analytics } = require("@segment/analytics-node");
    const sdk = new Analytics({ writeKey: key, host: url, flushAt: 20, ...more });
    const failures = [];
    sdk.on("error", (error) => failures.push(String(error.reason ?? error.code ?? error)));
    calls(sdk);
    await sdk.closeAndFlush({ timeout: 20000 });
    if (failures.length) throw new Error(failures.join("; "));
  } else {
    const Analytics = require("@rudderstack/rudder-sdk-node");
    const sdk = new Analytics(key, { dataPlaneUrl: url, flushAt: 20, logLevel: "error", ...more });
    sdk.flushed = true; // else its first call goes out alone
    calls(sdk);
    await sdk.flush();
  }
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

// The scripts that an administrator puts into an instance (deploy/servicenow), with the platform's objects played:
// what they send must be what Interlock can verify and read.
"use strict";

const test = require("node:test");
const assert = require("node:assert");
const { createHmac } = require("node:crypto");
const { readFileSync } = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const FOLDER = process.env.FIDELITY_SCRIPTS || path.join(__dirname, "../../deploy/servicenow");
const SECRET = "a webhook secret";

/** A record as a script sees it. */
function record(table, fields) {
  return {
    ...fields,
    getTableName: () => table,
    getUniqueValue: () => fields.sys_id,
    getValue: (name) => fields[name],
    operation: () => "update",
  };
}

/** Runs a business rule; gives the requests and the warnings that came of it. */
function run(rule, current, answer = 202) {
  const sent = [];
  const warned = [];
  const platform = {
    Class: { create: () => function (...given) { this.initialize(...given); } },
    gs: {
      getProperty: (name) => (name === "interlock.webhook.key" ? Buffer.from(SECRET).toString("base64") : null),
      warn: (text) => warned.push(text),
    },
    GlideCertificateEncryption: function () {
      this.generateMac = (key, algorithm, data) => {
        assert.strictEqual(algorithm, "HmacSHA256");
        return createHmac("sha256", Buffer.from(key, "base64")).update(data, "utf8").digest("base64");
      };
    },
    sn_ws: {
      RESTMessageV2: function (name, method) {
        const request = { name, method, headers: {} };
        this.setRequestHeader = (header, value) => { request.headers[header.toLowerCase()] = value; };
        this.setRequestBody = (body) => { request.body = body; };
        this.setHttpTimeout = (ms) => { request.timeout = ms; };
        this.execute = () => {
          if (answer === "unreachable") throw new Error("no route");
          sent.push(request);
          return { getStatusCode: () => answer };
        };
      },
    },
    current,
    previous: null,
  };
  vm.createContext(platform);
  for (const file of ["interlock_webhook.js", rule]) {
    vm.runInContext(readFileSync(path.join(FOLDER, file), "utf8"), platform, { filename: file });
  }
  return { sent, warned };
}

const CHANGE = {
  sys_id: "8da031c52efd08404a4a5b4f070cdf91",
  number: "CHG0030001",
  state: "-4",
  approval: "requested",
  correlation_id: "il1.rwqddrjo7ueeassklnhqodg7se.4f0c2a9be1d7.acme/zahlungs-dienst f\u00fcr \u6771\u4eac",
  sys_mod_count: "3",
  sys_updated_on: "2026-03-01 10:00:00",
};

test("a saved change is told with a signature over exactly what was sent", () => {
  const { sent, warned } = run("task_rule.js", record("change_request", CHANGE));
  assert.deepStrictEqual([sent.length, warned], [1, []]);
  const [{ name, method, headers, body, timeout }] = sent;
  assert.deepStrictEqual([name, method, timeout], ["Interlock", "hint", 5000]);
  assert.strictEqual(headers["x-servicenow-signature"], createHmac("sha256", SECRET).update(body).digest("base64"));
  assert.match(body, /^[\x20-\x7e]*$/, "the same bytes in every character set");
  assert.deepStrictEqual(JSON.parse(body), { event: "update", table: "change_request", ...CHANGE });
});

test("a saved approval is told with its change", () => {
  const row = { sys_id: "0".repeat(32), state: "approved", sys_mod_count: "1", sys_updated_on: CHANGE.sys_updated_on };
  const current = record("sysapproval_approver", { ...row, sysapproval: CHANGE.sys_id });
  // The field is text to getValue and a reference to whoever follows it.
  current.sysapproval = { getRefRecord: () => record("change_request", CHANGE) };
  const hint = JSON.parse(run("approval_rule.js", current).sent[0].body);
  assert.deepStrictEqual(
    [hint.table, hint.sysapproval, hint.correlation_id, hint.state, hint.approval],
    ["sysapproval_approver", CHANGE.sys_id, CHANGE.correlation_id, "approved", "requested"],
  );
});

test("a save does not fail because Interlock is away or refuses", () => {
  for (const answer of ["unreachable", 503]) {
    const { warned } = run("task_rule.js", record("change_request", CHANGE), answer);
    assert.strictEqual(warned.length, 1);
  }
});

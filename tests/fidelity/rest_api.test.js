// servicenow-rest-api: its calls, each with the callback that it asks for.
"use strict";

const test = require("node:test");
const assert = require("node:assert");
const ServiceNow = require("servicenow-rest-api");

const instance = new ServiceNow(process.env.FIDELITY_HOST, "interlock", "interlock");

/** A call of the client as a promise. */
function asked(method, ...given) {
  return new Promise((resolve) => instance[method](...given, resolve));
}

test("a record is made by its display values, read, changed and deleted", async () => {
  const made = await asked(
    "createNewTask",
    { short_description: "rest-api crud", urgency: "1 - High", assignment_group: "Network" },
    "incident",
  );
  assert.strictEqual(made.urgency, "1 - High");
  assert.strictEqual(made.assignment_group.display_value, "Network");
  assert.strictEqual(await asked("getSysId", "incident", made.number), made.sys_id);
  const changed = await asked("UpdateTask", "incident", made.number, { impact: "1" });
  assert.match(JSON.stringify(changed), /1 - Critical/);
  await asked("DeleteTask", "incident", made.number);
  const left = await asked("getTableData", ["number"], [`number=${made.number}`], "incident");
  assert.deepStrictEqual(left, []);
});

test("rows are filtered and show the labels of what was asked for", async () => {
  const rows = await asked("getTableData", ["name", "active"], ["name=Network"], "sys_user_group");
  assert.deepStrictEqual(rows, [{ name: "Network", active: "true" }]);
});

test("one row of a table is shown as a sample", async () => {
  const rows = await asked("getSampleData", "problem");
  assert.strictEqual(rows.length, 1);
  assert.ok("correlation_id" in rows[0]);
});

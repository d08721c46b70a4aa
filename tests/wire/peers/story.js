// The story of tests/support/sdk_story.py through the official Node SDK, a chapter at a time:
//   node story.js account|make|unmap|takeAway|call BASE_URL STATE.json
"use strict";
const assert = require("node:assert");
const fs = require("node:fs");
const twilio = require("twilio");
const RequestClient = require("twilio/lib/base/RequestClient");

const [chapter, base, file] = process.argv.slice(2);
const told = JSON.parse(fs.readFileSync(file, "utf8"));
const USER = "sbc1";
const PASSWORD = "Secret-12345x";
const NAME = "acme.sip.example.test";
const NOBODY = "BY" + "0".repeat(32);

class Local extends RequestClient {
  request(options) {
    const asked = new URL(options.uri);
    const here = new URL(base);
    asked.protocol = here.protocol;
    asked.host = here.host;
    return super.request({ ...options, uri: asked.href });
  }
}

const connect = (sid, token) => twilio(sid, token, { httpClient: new Local() });

function sameTime(instance) {
  for (const moment of [instance.dateCreated, instance.dateUpdated]) {
    assert.ok(moment instanceof Date, `${moment} is no Date`);
    assert.ok(Math.abs(Date.now() - moment.getTime()) < 60_000);
  }
}

async function refused(asked) {
  try {
    await asked;
  } catch (error) {
    assert.ok(error.message);
    return [error.status, error.code];
  }
  throw new Error("this was not refused");
}

// The five paths, each with the list that is mapped by it.
function mappings(client) {
  const domain = client.sip.domains(told.domain);
  const { calls, registrations } = domain.auth;
  return [
    [calls.credentialListMappings, { credentialListSid: told.users }],
    [calls.ipAccessControlListMappings, { ipAccessControlListSid: told.acl }],
    [registrations.credentialListMappings, { credentialListSid: told.users }],
    [domain.credentialListMappings, { credentialListSid: told.spare_users }],
    [domain.ipAccessControlListMappings, { ipAccessControlListSid: told.spare_acl }],
  ];
}

async function account() {
  const client = connect(told.main, told.token);
  const made = await client.api.v2010.accounts.create({ friendlyName: "Story" });
  sameTime(made);
  assert.strictEqual(made.status, "active");
  told.account = made.sid;
  told.accountToken = made.authToken;
}

async function makePolicyAndTrunk(client) {
  const voice = client.voice.v1;
  const policy = await voice.connectionPolicies.create({ friendlyName: "Carriers" });
  sameTime(policy);
  const targets = voice.connectionPolicies(policy.sid).targets;
  const first = await targets.create({ target: told.target });
  assert.deepStrictEqual([first.priority, first.weight, first.enabled], [10, 10, true]);
  for (const priority of [20, 30]) {
    const spare = await targets.create({ target: `sip:127.0.0.${priority + 100}:5060`, priority });
    assert.strictEqual(spare.priority, priority);
    if (priority === 30) {
      const off = await targets(spare.sid).update({ enabled: false, weight: 5 });
      assert.deepStrictEqual([off.enabled, off.weight, off.priority], [false, 5, 30]);
    }
  }
  const listed = await targets.list({ pageSize: 1 });
  assert.deepStrictEqual(listed.map((each) => each.priority), [10, 20, 30]);
  const made = await voice.byocTrunks.create({
    friendlyName: "Carrier A",
    voiceUrl: told.voiceUrl,
    voiceFallbackUrl: `${told.voiceUrl}-backup`,
    connectionPolicySid: policy.sid,
    cnamLookupEnabled: true,
  });
  sameTime(made);
  assert.strictEqual(made.cnamLookupEnabled, true);
  const changed = await voice.byocTrunks(made.sid).update({ friendlyName: "Carrier B", cnamLookupEnabled: false });
  assert.deepStrictEqual([changed.friendlyName, changed.cnamLookupEnabled], ["Carrier B", false]);
  const cleared = await voice.byocTrunks(made.sid).update({ voiceFallbackUrl: "" });
  assert.deepStrictEqual([cleared.voiceFallbackUrl, cleared.voiceUrl], [null, told.voiceUrl]);
  Object.assign(told, { policy: policy.sid, targetSid: first.sid, trunk: made.sid });
}

async function makeDomainAndLists(client) {
  const domain = await client.sip.domains.create({ domainName: NAME, friendlyName: "Acme" });
  sameTime(domain);
  assert.deepStrictEqual([domain.authType, domain.secure, domain.voiceUrl], ["", false, null]);
  const linked = await client.sip.domains(domain.sid).update({ byocTrunkSid: told.trunk });
  assert.strictEqual(linked.byocTrunkSid, told.trunk);
  told.domain = domain.sid;
  for (const [name, ipAddress, length] of [["acl", "127.0.0.0", 8], ["spare_acl", "192.0.2.7", undefined]]) {
    const acl = await client.sip.ipAccessControlLists.create({ friendlyName: name });
    sameTime(acl);
    const entries = client.sip.ipAccessControlLists(acl.sid).ipAddresses;
    const entry = await entries.create({ friendlyName: "SBC", ipAddress, cidrPrefixLength: length });
    assert.deepStrictEqual([entry.ipAddress, entry.cidrPrefixLength], [ipAddress, length ?? 32]);
    Object.assign(told, { [name]: acl.sid, [`${name}_entry`]: entry.sid });
  }
  for (const name of ["users", "spare_users"]) {
    const users = await client.sip.credentialLists.create({ friendlyName: name });
    const credentials = client.sip.credentialLists(users.sid).credentials;
    const credential = await credentials.create({ username: USER, password: "Some-Other-Word-1" });
    await credentials(credential.sid).update({ password: PASSWORD });
    Object.assign(told, { [name]: users.sid, [`${name}_credential`]: credential.sid });
  }
  const listed = await client.sip.credentialLists.list({ pageSize: 1 });
  assert.deepStrictEqual(listed.map((each) => each.friendlyName), ["users", "spare_users"]);
}

async function map(client) {
  for (const [mapped, parameters] of mappings(client)) {
    const mapping = await mapped.create(parameters);
    assert.strictEqual(mapping.sid, Object.values(parameters)[0]);
    sameTime(mapping);
    assert.strictEqual((await mapped(mapping.sid).fetch()).friendlyName, mapping.friendlyName);
  }
  const counts = [];
  for (const [mapped] of mappings(client)) counts.push((await mapped.list({ pageSize: 1 })).length);
  assert.deepStrictEqual(counts, [2, 2, 1, 2, 2]);
  const domain = await client.sip.domains(told.domain).fetch();
  assert.strictEqual(domain.authType, "CREDENTIAL_LIST,IP_ACL");
}

async function fail(client) {
  const { sip } = client;
  const voice = client.voice.v1;
  const acl = sip.ipAccessControlLists(told.acl);
  const users = sip.credentialLists(told.users);
  const targets = voice.connectionPolicies(told.policy).targets;
  const legacy = sip.domains(told.domain).ipAccessControlListMappings;
  const wrong = connect(told.account, "wrong");
  return [
    await refused(wrong.sip.domains(told.domain).fetch()),
    await refused(voice.byocTrunks(NOBODY).fetch()),
    await refused(sip.domains.create({ domainName: NAME })),
    await refused(sip.domains.create({ domainName: "a.b.sip.example.test" })),
    await refused(sip.domains(told.domain).update({ byocTrunkSid: NOBODY })),
    await refused(legacy.create({ ipAccessControlListSid: told.acl })),
    await refused(acl.remove()),
    await refused(acl.ipAddresses.create({ friendlyName: "x", ipAddress: "gw.carrier.example" })),
    await refused(users.remove()),
    await refused(users.credentials.create({ username: "sbc2", password: "weak" })),
    await refused(voice.byocTrunks(told.trunk).remove()),
    await refused(targets.create({ target: "sips:gw.carrier.example" })),
    await refused(targets.create({ target: "sip:gw.carrier.example", priority: 65536 })),
  ];
}

async function make() {
  const client = connect(told.account, told.accountToken);
  await makePolicyAndTrunk(client);
  await makeDomainAndLists(client);
  await map(client);
  told.refusals = await fail(client);
}

async function unmap() {
  for (const [mapped, parameters] of mappings(connect(told.account, told.accountToken))) {
    assert.strictEqual(await mapped(Object.values(parameters)[0]).remove(), true);
  }
}

async function takeAway() {
  const client = connect(told.account, told.accountToken);
  const { sip } = client;
  const voice = client.voice.v1;
  for (const kind of ["acl", "spare_acl"]) {
    const acl = sip.ipAccessControlLists(told[kind]);
    assert.strictEqual(await acl.ipAddresses(told[`${kind}_entry`]).remove(), true);
    assert.strictEqual(await acl.remove(), true);
  }
  for (const kind of ["users", "spare_users"]) {
    const users = sip.credentialLists(told[kind]);
    assert.strictEqual(await users.credentials(told[`${kind}_credential`]).remove(), true);
    assert.strictEqual(await users.remove(), true);
  }
  const policy = voice.connectionPolicies(told.policy);
  assert.strictEqual(await sip.domains(told.domain).remove(), true);
  assert.strictEqual(await voice.byocTrunks(told.trunk).remove(), true);
  assert.strictEqual(await policy.targets(told.targetSid).remove(), true);
  assert.strictEqual(await policy.remove(), true);
  for (const listed of [sip.domains, sip.credentialLists, voice.byocTrunks, voice.connectionPolicies]) {
    assert.deepStrictEqual(await listed.list(), []);
  }
}

async function until(call, status) {
  for (let tries = 0; tries < 150; tries++) {
    const seen = await call.fetch();
    if (seen.status === status) return seen;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the call was never ${status}`);
}

// Over a trunk that is there: made, watched, redirected, completed; and what is over cannot be cancelled.
async function call() {
  const client = connect(told.main, told.token);
  const made = await client.calls.create({
    to: "+14158675309",
    from: "+14155551212",
    url: told.url,
    byoc: told.trunk,
    statusCallback: told.status,
    statusCallbackEvent: ["initiated", "ringing", "answered", "completed"],
  });
  assert.strictEqual(made.status, "queued");
  assert.ok(made.dateCreated instanceof Date);
  const up = client.calls(made.sid);
  assert.strictEqual((await until(up, "in-progress")).direction, "outbound-api");
  await up.update({ twiml: '<Response><Pause length="30"/></Response>' });
  await up.update({ status: "completed" });
  const over = await until(up, "completed");
  assert.ok(over.endTime instanceof Date);
  told.refused = await refused(up.update({ status: "canceled" }));
  const [found] = await client.calls.list({ to: "+14158675309", status: "completed", limit: 1 });
  assert.strictEqual(found.sid, made.sid);
  told.call = made.sid;
}

({ account, make, unmap, takeAway, call })[chapter]().then(
  () => fs.writeFileSync(file, JSON.stringify(told)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);

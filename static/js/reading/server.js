/**
 * Requests of the reading room. Whatever is not an answer that was asked for becomes a Refusal with a code: "lost" (no connection, a
 * server that is down), "signed-out", or what the server says ("conflict", "claimed", "already-read", "role", "invalid").
 */

const DOORS = ["/sign-in/", "/acknowledgement/"];

export class Refusal extends Error {
  /** @param {string} code @param {{ message?: string, [fact: string]: any }} [facts] */
  constructor(code, facts = {}) {
    super(facts.message ?? code);
    this.code = code;
    this.facts = facts;
  }
}

// Actions

/** @param {string} url @param {object} value @param {RequestInit} [options] @returns {Promise<any>} */
export async function put(url, value, options = {}) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(url, { ...options, method: "PUT", headers, body: JSON.stringify(value) })).json();
}

/** A form without its file fields. @param {string} url @param {FormData} [data] @returns {Promise<Response>} */
export function post(url, data = new FormData()) {
  data.delete("csrfmiddlewaretoken");
  return ask(url, { method: "POST", body: new URLSearchParams(/** @type {any} */ (data)), headers: { "X-Fragment": "case" } });
}

/** @param {string} url @returns {Promise<Response>} */
export function fragment(url) {
  return ask(url, { headers: { "X-Fragment": "case", Accept: "text/html" } });
}

/** @param {string} url @returns {Promise<any>} */
export async function get(url) {
  return (await ask(url, { headers: { Accept: "application/json" } })).json();
}

/** @returns {Promise<Response>} @throws {Refusal} */
async function ask(url, options) {
  const headers = { "X-CSRFToken": token(), ...options.headers };
  const answer = await fetch(url, { credentials: "same-origin", ...options, headers }).catch(() => { throw new Refusal("lost"); });
  if (answer.status === 401 || (answer.redirected && DOORS.includes(new URL(answer.url).pathname))) throw new Refusal("signed-out");
  if (answer.ok || isFragment(answer)) return answer;
  throw await refusal(answer);
}

// Private

/** A form that came back with its mistakes. */
function isFragment(answer) { return answer.status === 422 && isOf(answer, "text/html"); }

async function refusal(answer) {
  if (answer.status >= 500 || answer.status === 429) return new Refusal("lost", { status: answer.status });
  const facts = isOf(answer, "application/json") ? await answer.json().catch(() => ({})) : {};
  return new Refusal(facts.code ?? "refused", { ...facts, status: answer.status });
}

function isOf(answer, type) { return (answer.headers.get("Content-Type") ?? "").startsWith(type); }

/** Read at each request: signing in in another tab makes a new one. */
function token() { return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? ""; }

// Questions to the server: always to our own, with the session's cookie; a change brings the session's token along.

export class Refused extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

let token = "";

async function read(response) {
	const text = await response.text();
	let answer;
	try {
		answer = JSON.parse(text);
	} catch {
		throw new Refused(response.status, "The answer is not JSON.");
	}
	if (!response.ok || answer.status !== "success")
		throw new Refused(response.status, answer.message || "The server refused.");
	return answer;
}

async function ask(url, options) {
	try {
		return await read(await fetch(url, {credentials: "same-origin", cache: "no-store", ...options}));
	} catch (e) {
		throw e instanceof Refused ? e : new Refused(0, "The server does not answer.");
	}
}

function query(fields) {
	const q = new URLSearchParams();
	for (const [k, v] of Object.entries(fields || {}))
		if (v !== "" && v !== undefined && v !== null) q.set(k, v);
	return q;
}

export async function get(path, fields) {
	return (await ask(path + "?" + query({...fields, format: "json"}))).data;
}

export async function post(path, fields) {
	return ask(path, {method: "POST", body: query(fields), headers: {"X-CSRF-Token": token}});
}

// what a command shows; its arguments as fields: target, and the options by their names
export async function show(command, fields) {
	return (await ask("/command?" + query({command, ...fields, format: "json"}))).data;
}

export async function run(command, fields) {
	return post("/command", {command, ...fields, format: "json"});
}

export async function session() {
	const s = (await get("/session")).session;
	token = s.token;
	return s;
}

export const MAY = {none: 0, monitor: 1, operator: 2, admin: 3};

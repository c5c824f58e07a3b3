// The list of pages, and those that are small. A page fills context.box; what it sets as context.refresh runs every
// five seconds, what it puts into context.draws at each event.
import {get, post, run, show} from "./api.js";
import {badge, bytes, card, el, field, number, pairs, select, table, toast} from "./dom.js";
import {act, deleteButton, pauseButtons, sourceForm} from "./actions.js";
import {home} from "./home.js";
import {configuration} from "./configuration.js";

function title(context, text, ...more) {
	context.box.append(el("h1", {}, text, ...more));
}

// a part of the page that is made anew at every refresh
async function part(context, make) {
	const box = el("div", {});
	context.box.append(box);
	const before = context.refresh;
	const draw = async () => {
		const made = await make();
		if (!box.contains(document.activeElement) || document.activeElement.tagName === "A" || document.activeElement.tabIndex < 0)
			box.replaceChildren(...[made].flat());
	};
	context.refresh = async () => { if (before) await before(); await draw(); };
	box.replaceChildren(...[await make()].flat());
	return draw;
}

function queueLink(name) {
	return el("a", {href: "/ui/queue?name=" + encodeURIComponent(name)}, name);
}

function state(q) {
	const kind = q.paused ? "warn" : q.mode === "backoff" ? "bad" : "";
	return el("span", {}, badge(q.state, kind), q.mode === "backoff" ? " back-off" : "");
}

// a form whose fields are kept in the address
function filter(context, path, ...fields) {
	const form = el("form", {class: "row", role: "search", onsubmit: (e) => {
		e.preventDefault();
		const q = new URLSearchParams();
		for (const [k, v] of new FormData(form)) if (v !== "") q.set(k, v);
		context.go(path + (q.size ? "?" + q : ""));
	}}, ...fields, el("button", {type: "submit"}, "Show"));
	context.box.append(form);
}

const text = (context, name, label) => field(label, el("input", {name, value: context.query.get(name) || "", autocomplete: "off"}));
const sorts = (context) => field("Order", select("sort", context.query.get("sort") || "", [["", "default"], ["rcpt", "recipients"], ["size", "size"], ["name", "name"]]));
const howMany = (context) => field("At most", el("input", {name: "maxitems", type: "number", min: "1", max: "5000", value: context.query.get("maxitems") || "", placeholder: String(context.session.maxItems)}));
const values = (context, ...names) => Object.fromEntries(names.map((n) => [n, context.query.get(n) || ""]));

// ---- queues ----

const QUEUE = [
	{title: "Queue", value: (q) => queueLink(q.name)},
	{title: "Recipients", kind: "n", value: (q) => number(q.rcp)},
	{title: "Size", kind: "n", value: (q) => bytes(q.kb)},
	{title: "Connections", kind: "n", value: (q) => number(q.conn)},
	{title: "State", value: state},
	{title: "Next try", value: (q) => q.retryTime},
	{title: "Last error", kind: "text", value: (q) => q.lastError},
];

async function queues(context) {
	title(context, "Queues");
	filter(context, "/ui/queues", text(context, "queue", "domain/vmta, * for any"),
		field("Paused", select("paused", context.query.get("paused") || "", [["", "any"], ["yes", "yes"], ["no", "no"]])),
		field("Mode", select("mode", context.query.get("mode") || "", [["", "any"], ["normal", "normal"], ["backoff", "back-off"]])),
		field("Connected", select("connected", context.query.get("connected") || "", [["", "any"], ["yes", "yes"], ["no", "no"]])),
		sorts(context), howMany(context));
	await part(context, async () => {
		const d = await get("/queues", values(context, "queue", "paused", "mode", "connected", "sort", "maxitems"));
		return card(null, table(`${number(d.queue.length)} of ${number(d.totalQueuesWithRcp)} queues, ${number(d.totalRcp)} recipients`, QUEUE, d.queue, "No queue matches."));
	});
}

function explained(q) {
	return pairs([["State", badge(q.state)], ["Why", q.why], ["Limit", q.limit || "none"], ["Since", q.since], ["Until", q.until || q.wakes || "not known"],
		["Configuration", q.directive ? `${q.directive} (${q.file ? q.file + ":" + q.line : "default"})` : "no line"],
		["Ready", number(q.ready)], ["Deferred", number(q.deferred)], ["Held", number(q.held)], ["Being sent", number(q.sending)],
		["Connections", number(q.conn)], ["Last error", q.lastError || "none"]]);
}

const RECIPIENT = [
	{title: "Recipient", kind: "text", value: (r) => r.rcpt},
	{title: "Sender", kind: "text", value: (r) => r.orig},
	{title: "Queue", value: (r) => queueLink(r.queue)},
	{title: "Job", value: (r) => r.jobId},
	{title: "Queued", value: (r) => r.timeQueued},
	{title: "State", value: (r) => r.state},
	{title: "Attempts", kind: "n", value: (r) => number(r.attempts)},
	{title: "Message", kind: "mono", value: (r) => r.id},
];

function queueEvents(q) {
	const all = [...(q.event || []), ...(q.modeEvent || [])];
	return card("Errors and changes of mode", table("The newest first", [{title: "Time", value: (e) => e.time}, {title: "What", kind: "text", value: (e) => e.text}], all, "None."));
}

async function queue(context) {
	const name = context.query.get("name") || "";
	title(context, "Queue ", el("span", {class: "mono"}, name));
	if (context.may("operator")) context.box.append(pauseButtons(context, name));
	await part(context, async () => {
		const [why, detail] = await Promise.all([show("explain", {target: name}), get("/queueDetail", {queue: name})]);
		const q = (why.queue || [])[0], d = (detail.queue || [])[0] || {};
		return [q ? card("Why it is where it is", explained(q)) : card(null, el("p", {}, "This queue is not there: no mail waits in it.")), queueEvents(d)];
	});
	await part(context, async () => {
		const d = await get("/listqueue", {queue: name, maxitems: 50});
		return card("Recipients", table("At most 50", RECIPIENT, d.rcpt || [], "None waits."));
	});
	if (context.may("operator")) context.box.append(sourceForm(context, name), deleteButton(context, {queue: name}));
	const settings = el("details", {}, el("summary", {}, "Settings in effect, and where each is written"));
	settings.addEventListener("toggle", async () => {
		if (settings.childElementCount > 1) return;
		const d = await show("show settings", {target: name});
		const rows = d.setting || Object.values(d).find(Array.isArray) || [];
		settings.append(table("Settings", [{title: "Directive", value: (s) => s.name}, {title: "Value", kind: "text", value: (s) => s.value},
			{title: "Written", value: (s) => s.file ? `${s.file}:${s.line}` : "default"}], rows));
	});
	context.box.append(card(null, settings));
}

// very many envelopes would have been read
function notAll(context) {
	const q = new URLSearchParams(context.query);
	q.set("all", "yes");
	return el("p", {class: "warn"}, "Not all waiting mail was looked through, for that takes long. ", el("a", {href: "/ui/recipients?" + q}, "Look through all of it"));
}

async function recipients(context) {
	title(context, "Waiting recipients");
	filter(context, "/ui/recipients", text(context, "rcpt", "Recipient, * for any"), text(context, "orig", "Sender"), text(context, "jobid", "Job"), text(context, "queue", "Queue"), howMany(context));
	const asked = values(context, "rcpt", "orig", "jobid", "queue", "maxitems", "all");
	const rcpt = asked.rcpt;
	if (rcpt && !rcpt.includes("*"))
		await part(context, async () => {
			const d = await show("explain", {target: rcpt});
			return card("Why this address waits", table(rcpt, [{title: "Queue", value: (r) => queueLink(r.queue)}, {title: "Why", kind: "text", value: (r) => r.why},
				{title: "Until", value: (r) => r.until}, {title: "Attempts", kind: "n", value: (r) => number(r.attempts)}], d.rcpt || [], "Nothing waits for this address."));
		});
	if (rcpt && !rcpt.includes("*"))
		await part(context, () => eventsOf(rcpt));
	await part(context, async () => {
		const d = await get("/listqueue", {...asked, queue: asked.queue || "*/*"});
		return card(null, table("Recipients that match", RECIPIENT, d.rcpt || [], d.complete === false ? "None was found yet." : "None waits."),
			d.complete === false ? notAll(context) : null);
	});
	if (context.may("operator") && (asked.rcpt || asked.orig || asked.jobid || asked.queue))
		context.box.append(deleteButton(context, asked));
}

// what its queues remember, where track-recipient-events says so
async function eventsOf(rcpt) {
	const d = await get("/queueDetail", {queue: rcpt.slice(rcpt.lastIndexOf("@") + 1), maxitems: 200});
	const rows = d.queue.flatMap((q) => (q.rcptEvent || []).map((e) => ({queue: q.name, ...e}))).filter((e) => e.rcpt.toLowerCase() === rcpt.toLowerCase());
	return card("What happened to its mail", table("The last events, where track-recipient-events is on; all of them: pmtactl history", [
		{title: "Time", value: (e) => e.time}, {title: "What", value: (e) => e.type}, {title: "Queue", value: (e) => queueLink(e.queue)}, {title: "Job", value: (e) => e.jobId},
		{title: "Host", kind: "text", value: (e) => e.host}, {title: "Reply", kind: "text", value: (e) => e.text}], rows, "Nothing is remembered of this address."));
}

// ---- domains, VirtualMTAs, jobs, sources ----

async function domains(context) {
	title(context, "Domains");
	filter(context, "/ui/domains", text(context, "domain", "Domain, * for any"), text(context, "vmta", "VirtualMTA"), sorts(context), howMany(context));
	await part(context, async () => {
		const d = await get("/domains", values(context, "domain", "vmta", "sort", "maxitems"));
		return card(null, table("Destination domains", [
			{title: "Domain", value: (r) => el("a", {href: "/ui/queues?queue=" + encodeURIComponent(r.name + "/*")}, r.name)},
			{title: "Recipients", kind: "n", value: (r) => number(r.rcp)}, {title: "Size", kind: "n", value: (r) => bytes(r.kb)},
			{title: "Connections", kind: "n", value: (r) => number(r.conn)}, {title: "Last error", kind: "text", value: (r) => r.lastError}], d.domain || [], "No mail waits."));
	});
}

async function vmtas(context) {
	title(context, "VirtualMTAs");
	await part(context, async () => {
		const d = await get("/vmtas", {maxitems: 1000});
		const button = (v) => v.held ? act(context, "Release", "release", {target: v.name}) : act(context, "Hold", "hold", {target: v.name}, {asks: `Hold all mail of ${v.name}?`});
		return card(null, table(`${number(d.totalRcp)} recipients`, [
			{title: "VirtualMTA", value: (v) => el("a", {href: "/ui/queues?queue=" + encodeURIComponent("*/" + v.name)}, v.name)},
			{title: "Domains", kind: "n", value: (v) => number(v.dom)}, {title: "Recipients", kind: "n", value: (v) => number(v.rcp)},
			{title: "Size", kind: "n", value: (v) => bytes(v.kb)}, {title: "Connections", kind: "n", value: (v) => number(v.conn)},
			{title: "State", value: (v) => v.held ? badge("held", "warn") : "in use"},
			{title: "", value: (v) => context.may("operator") ? button(v) : ""}], d.vmta || []));
	});
}

async function jobs(context) {
	title(context, "Jobs");
	await part(context, async () => {
		const d = await get("/jobs", {maxitems: 1000});
		const button = (j) => j.paused ? act(context, "Resume", "resume job", {target: j.name}) : act(context, "Pause", "pause job", {target: j.name});
		return card(null, table("Jobs with mail that waits", [
			{title: "Job", kind: "text", value: (j) => el("a", {href: "/ui/recipients?jobid=" + encodeURIComponent(j.name)}, j.name)},
			{title: "Recipients", kind: "n", value: (j) => number(j.rcp)}, {title: "Size", kind: "n", value: (j) => bytes(j.kb)},
			{title: "State", value: (j) => j.paused ? badge("paused", "warn") : "goes"},
			{title: "", value: (j) => context.may("operator") ? button(j) : ""}], d.job || [], "No job has mail that waits."));
	});
}

async function sources(context) {
	title(context, "Source addresses");
	await part(context, async () => {
		const d = await show("show disabled sources");
		return card("Switched off", table("Source addresses that queues do not use", [
			{title: "Address", kind: "mono", value: (s) => s.ip}, {title: "Queue", value: (s) => s.zone ? "all" : queueLink(s.queue)}, {title: "Since", value: (s) => s.since},
			{title: "Until", value: (s) => s.until}, {title: "By", kind: "text", value: (s) => s.by + (s.file ? ` (${s.file}:${s.line})` : "")},
			{title: "", value: (s) => context.may("operator") && !s.zone ? act(context, "Enable", "enable source", {source: s.ip, target: s.queue}) : ""}], d.source || [], "All are in use."));
	});
	if (context.may("operator")) context.box.append(sourceForm(context, ""));
}

// ---- what happened ----

function sum(rows) {
	const all = new Map();
	for (const r of rows) all.set(r.label, (all.get(r.label) || 0) + r.n);
	return [...all].map(([label, n]) => ({label, n})).sort((a, b) => b.n - a.n);
}

function share(rows, caption, name) {
	const total = rows.reduce((t, r) => t + r.n, 0);
	return table(caption, [{title: name, value: (r) => r.label || "(none)"}, {title: "Recipients", kind: "n", value: (r) => number(r.n)},
		{title: "Share", kind: "n", value: (r) => (100 * r.n / Math.max(1, total)).toFixed(1) + " %"}], rows, "None since the start.");
}

async function bounces(context) {
	title(context, "Bounces");
	await part(context, async () => {
		const [l, d, r] = await Promise.all([get("/labels"), get("/domains", {maxitems: 100, sort: "bounces"}), show("show rates")]);
		const rows = d.domain.filter((x) => x.bounces || x.deferrals);
		return [el("div", {class: "two"}, card("Bounced, by category", share(sum(l.bounces), "Since the start", "Category")),
			card("Temporary failures, by category", share(sum(l.deferrals), "Since the start", "Category"))),
			card("By provider", table("Of the domains that have a queue now", [{title: "Domain", value: (d) => el("a", {href: "/ui/queues?queue=" + encodeURIComponent(d.name + "/*")}, d.name)},
				{title: "Delivered", kind: "n", value: (d) => number(d.deliveries)}, {title: "Bounced", kind: "n", value: (d) => number(d.bounces)},
				{title: "Temporary failures", kind: "n", value: (d) => number(d.deferrals)}], rows, "No domain has bounces.")),
			ratesCard("By job and VirtualMTA, the worst first", (r.rate || []).filter((x) => x.category !== "complaints"), "Nothing was delivered or bounced in the window of alert-threshold.")];
	});
}

// what jobs and VirtualMTAs brought upon us
function ratesCard(caption, rows, none) {
	const name = (r) => r.of === "job" ? el("a", {href: "/ui/recipients?jobid=" + encodeURIComponent(r.name)}, r.name)
		: el("a", {href: "/ui/queues?queue=" + encodeURIComponent("*/" + r.name)}, r.name);
	return card(caption, table("Within the window of alert-threshold", [
		{title: "", value: (r) => r.of === "job" ? "job" : "VirtualMTA"}, {title: "Name", kind: "text", value: name}, {title: "Category", value: (r) => r.category},
		{title: "Count", kind: "n", value: (r) => number(r.count)}, {title: "Delivered", kind: "n", value: (r) => number(r.delivered)},
		{title: "Share", kind: "n", value: (r) => r.percent + " %"}, {title: "Allowed", kind: "n", value: (r) => r.allowed + " %"},
		{title: "", value: (r) => r.alert ? badge("alert", "bad") : ""}], rows, none));
}

// pages of a command that a server may not have: then that is said
async function orNot(context, what, command, make) {
	if (context.commands.some((c) => c.words === command)) await part(context, make);
	else context.box.append(card(null, el("p", {}, `${what} is not available: this server has no command "${command}".`)));
}

function columnsOf(rows) {
	const names = [...new Set(rows.flatMap((r) => Object.keys(r)))].filter((n) => rows.some((r) => typeof r[n] !== "object"));
	return names.map((n) => ({title: n, kind: rows.every((r) => typeof r[n] === "number") ? "n" : "text",
		value: (r) => typeof r[n] === "number" ? number(r[n]) : typeof r[n] === "boolean" ? (r[n] ? "yes" : "no") : r[n]}));
}

// the rows of an answer, whatever it is about
function rowsOf(data) {
	const list = Object.values(data).find(Array.isArray);
	return list || (Object.keys(data).length > 0 ? [flat(data)] : []);
}

function flat(data, prefix = "", into = {}) {
	for (const [k, v] of Object.entries(data))
		if (v && typeof v === "object") flat(v, prefix + k + ".", into);
		else into[prefix + k] = v;
	return into;
}

async function events(context) {
	title(context, "Recipient events");
	filter(context, "/ui/events", text(context, "queue", "domain/vmta, * for any"));
	await part(context, async () => {
		const d = await get("/queueDetail", {queue: context.query.get("queue") || "*/*", maxitems: 200});
		const rows = d.queue.flatMap((q) => Object.entries(q).filter(([k, v]) => Array.isArray(v) && /rcpt|recipient/i.test(k))
			.flatMap(([, v]) => v.map((e) => ({queue: q.name, ...e}))));
		const times = d.queue.flatMap((q) => (q.event || []).map((e) => ({queue: q.name, ...e})));
		const sorted = [...rows, ...times].sort((a, b) => (a.time < b.time ? 1 : -1)).slice(0, 500);
		return card(null, table("The newest first", columnsOf(sorted), sorted, "Nothing is kept of any recipient yet."));
	});
}

async function complaints(context) {
	title(context, "Complaints");
	await part(context, async () => {
		const [d, h] = await Promise.all([show("show rates", {target: "complaints"}), get("/history")]);
		const last = h.history[h.history.length - 1];
		return [el("p", {}, `${number(last ? last.complaints_total : 0)} complaints about our mail since the start. Who complained: records of type f in the accounting files; who gets no more mail: Suppression.`),
			ratesCard("By job and VirtualMTA, the worst first", d.rate || [], "Nothing was delivered or complained about in the window of alert-threshold.")];
	});
}

async function suppression(context) {
	title(context, "Suppression");
	filter(context, "/ui/suppression", text(context, "address", "Address"));
	const address = context.query.get("address");
	if (!address) return;
	await orNot(context, "The suppression list", "show suppressed", async () => {
		const rows = rowsOf(await show("show suppressed", {target: address}));
		return card(address, table("On the list", columnsOf(rows), rows, "This address is not suppressed."));
	});
	if (context.may("operator"))
		context.box.append(el("div", {class: "actions"}, act(context, "Suppress", "suppress", {target: address}),
			act(context, "Suppress no more", "unsuppress", {target: address})));
}

async function alerts(context) {
	title(context, "Alerts");
	await orNot(context, "The list of alerts", "show alerts", async () => {
		const rows = (await show("show alerts")).alert || [];
		return card(null, table("Raised now, then what has ended in the last 24 hours", [
			{title: "State", value: (a) => badge(a.state, a.state !== "raised" ? "" : a.level === "critical" ? "bad" : "warn")},
			{title: "Kind", value: (a) => a.kind}, {title: "About", kind: "text", value: (a) => a.subject}, {title: "What", kind: "text", value: (a) => a.text},
			{title: "Since", value: (a) => a.since}, {title: "Ended", value: (a) => a.ended || ""}, {title: "Times", kind: "n", value: (a) => number(a.count)}],
			rows, "No alert is raised, and none was in the last 24 hours."));
	});
}

async function changes(context) {
	title(context, "Changes");
	await part(context, async () => {
		const rows = (await show("show changes", {maxitems: 500})).change || [];
		return card(null, table("In the last hour, the newest first", [{title: "Time", value: (c) => c.time}, {title: "Kind", value: (c) => c.type},
			{title: "Queue", value: (c) => c.queue ? queueLink(c.queue) : ""}, {title: "Source", value: (c) => c.source}, {title: "What", kind: "text", value: (c) => c.text}],
			rows, "No queue changed its mode, no source its state, no alert came or went, and nobody gave a command."));
	});
}

async function logs(context) {
	title(context, "Log");
	if (!context.session.mayReadLogs) {
		context.box.append(el("p", {class: "bad"}, "http-access denies you the logs."));
		return;
	}
	filter(context, "/ui/logs", text(context, "search", "With these words"), howMany(context));
	context.box.append(el("p", {}, el("a", {href: "/getFile?file=log.txt", download: "log.txt"}, "Download the log, its last 8 MB")));
	await part(context, async () => {
		const d = await get("/logs", values(context, "search", "maxitems"));
		return card("The newest first", el("pre", {tabindex: "0", "aria-label": "Log"}, d.line.map((l) => l.text).join("\n") || "No line matches."),
			d.complete === false ? el("p", {class: "warn"}, "Only the last 2 MB of the log were looked through.") : null);
	});
}

async function dns(context) {
	title(context, "DNS");
	filter(context, "/ui/dns", text(context, "name", "Domain"));
	const name = context.query.get("name");
	if (name) {
		const d = await show("resolve", {target: name});
		context.box.append(card(name, table("As the server sees it", columnsOf(rowsOf(d)), rowsOf(d), "Nothing was found.")));
	}
	if (context.may("operator"))
		context.box.append(el("div", {class: "actions"}, act(context, name ? `Forget ${name}` : "Forget all answers", "clear dnscache", {target: name || ""})));
	await part(context, async () => {
		const rows = rowsOf(await show("show precache"));
		return card("Looked up ahead", table("Domains of precache", columnsOf(rows), rows, "No domain is named in precache."));
	});
}

async function commands(context) {
	title(context, "Commands");
	const out = el("pre", {id: "command-output", tabindex: "0", "aria-live": "polite"}, "");
	const input = el("input", {name: "command", required: true, size: "60", autocomplete: "off", placeholder: "show status", list: "command-list"});
	const known = el("datalist", {id: "command-list"}, context.commands.map((c) => el("option", {value: c.words}, c.args)));
	const go = async (e) => {
		e.preventDefault();
		try {
			const a = await run(input.value);
			out.textContent = (a.message ? a.message + "\n" : "") + JSON.stringify(a.data, null, 2);
		} catch (error) {
			out.textContent = error.message;
		}
	};
	context.box.append(el("form", {class: "row", onsubmit: go}, field("A command of pmtactl", input), known, el("button", {type: "submit", class: "main"}, "Run")), card("Answer", out));
	if (context.may("admin"))
		context.box.append(card("The server", el("div", {class: "actions"},
			act(context, "Reload the configuration", "reload", {}, {asks: "Load the configuration anew?"}),
			act(context, "Rotate the log", "rotate log", {}), act(context, "Reset the counters", "reset counters", {}, {asks: "Start the counters anew?"}))));
	context.box.append(card("All commands", table("With the right that each takes", [{title: "Command", kind: "mono", value: (c) => c.words}, {title: "Arguments", kind: "text", value: (c) => c.args},
		{title: "Right", value: (c) => c.rights}, {title: "What it does", kind: "text", value: (c) => c.help}], context.commands)));
}

export async function login(context) {
	title(context, "Log in");
	if (!context.session.hasUsers) {
		context.box.append(el("p", {class: "bad"}, "Your address has no right here, and there is no access-file with users."));
		return;
	}
	const user = el("input", {name: "user", autocomplete: "username", required: true});
	const password = el("input", {name: "password", type: "password", autocomplete: "current-password", required: true});
	const enter = async (e) => {
		e.preventDefault();
		try {
			await post("/login", {user: user.value, password: password.value});
		} catch (error) {
			password.value = "";
			toast(error.message, true);
			return;
		}
		if (location.pathname === "/ui/login") history.replaceState(null, "", "/ui/");
		await context.start();
	};
	context.box.append(card(null, el("form", {class: "row", onsubmit: enter}, field("Name", user), field("Password", password), el("button", {type: "submit", class: "main"}, "Log in"))));
}

export const PAGES = [
	{name: "home", title: "Home", group: "Now", open: home},
	{name: "queues", title: "Queues", group: "Now", open: queues},
	{name: "domains", title: "Domains", group: "Now", open: domains},
	{name: "vmtas", title: "VirtualMTAs", group: "Now", open: vmtas},
	{name: "jobs", title: "Jobs", group: "Now", open: jobs},
	{name: "sources", title: "Source addresses", group: "Now", open: sources},
	{name: "recipients", title: "Recipients", group: "Now", open: recipients},
	{name: "alerts", title: "Alerts", group: "What happened", open: alerts},
	{name: "changes", title: "Changes", group: "What happened", open: changes},
	{name: "events", title: "Recipient events", group: "What happened", open: events},
	{name: "bounces", title: "Bounces", group: "What happened", open: bounces},
	{name: "complaints", title: "Complaints", group: "What happened", open: complaints},
	{name: "suppression", title: "Suppression", group: "What happened", open: suppression},
	{name: "logs", title: "Log", group: "Server", open: logs},
	{name: "dns", title: "DNS", group: "Server", open: dns},
	{name: "configuration", title: "Configuration", group: "Server", open: configuration, may: "operator"},
	{name: "commands", title: "Commands", group: "Server", open: commands},
	{name: "queue", title: "Queue", open: queue},
	{name: "login", title: "Log in", open: login, may: "none"},
];

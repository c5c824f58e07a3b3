// What the server does now, what it did in the last hour, and what is largest.
import {get, show} from "./api.js";
import {chart, rates} from "./chart.js";
import {badge, bytes, card, el, number, table} from "./dom.js";

function rate(samples, name) {
	const last = rates(samples.slice(-6), name);
	return last.length ? last.reduce((t, p) => t + p[1], 0) / last.length : 0;
}

function tiles(context) {
	const box = el("div", {class: "tiles"}), rows = [
		["recipients in, per second", (s) => rate(context.samples, "smtp_in_recipients_total").toFixed(1)],
		["recipients out, per second", (s) => rate(context.samples, "smtp_out_recipients_total").toFixed(1)],
		["recipients queued", (s) => number(s.queue_recipients)],
		["connections out", (s) => number(s.smtp_out_connections)],
		["connections in", (s) => number(s.smtp_in_connections)],
		["bounced since the start", (s) => number(s.queue_bounced_total)],
		["queues in back-off", (s) => number(s.queues_in_backoff)],
		["queues paused", (s) => number(s.queues_paused)],
		["alerts", (s) => number(s.alerts)],
	];
	const values = rows.map(([label]) => {
		const b = el("b", {}, "–");
		box.append(el("div", {class: "tile"}, b, el("span", {}, label)));
		return b;
	});
	context.draws.push(() => {
		const s = context.samples[context.samples.length - 1];
		rows.forEach(([, value], i) => { values[i].textContent = value(s); });
	});
	return box;
}

function liveChart(context) {
	const c = chart("Recipients per second, live", "/s");
	context.draws.push(() => c.draw([
		{name: "in", points: rates(context.samples, "smtp_in_recipients_total")},
		{name: "out", points: rates(context.samples, "smtp_out_recipients_total")},
	]));
	return card("Recipients per second, the last five minutes", c.figure);
}

async function hourCharts(context) {
	const flow = chart("Recipients per second, the last hour", "/s"), depth = chart("Recipients queued, the last hour", "");
	const draw = async () => {
		const h = (await get("/history")).history;
		flow.draw([{name: "in", points: rates(h, "smtp_in_recipients_total")}, {name: "out", points: rates(h, "smtp_out_recipients_total")},
			{name: "bounced", points: rates(h, "queue_bounced_total")}]);
		depth.draw([{name: "queued", points: h.map((p) => [p.time, p.queue_recipients])}]);
	};
	await draw();
	return {draw, box: el("div", {class: "two"}, card("Recipients per second, the last hour", flow.figure), card("Recipients queued, the last hour", depth.figure))};
}

function traffic(status) {
	const names = {total: "Since the start", lastHr: "Last hour", topPerHr: "Best hour", lastMin: "Last minute", topPerMin: "Best minute"};
	const rows = Object.entries(names).filter(([k]) => status.traffic && status.traffic[k]).map(([k, name]) => ({name, ...status.traffic[k]}));
	const cell = (way, what) => (r) => what === "kb" ? bytes(r[way].kb) : number(r[way][what]);
	return card("Traffic", table("Recipients, messages and volume", [
		{title: "", value: (r) => r.name}, {title: "Recipients in", kind: "n", value: cell("in", "rcp")}, {title: "Messages in", kind: "n", value: cell("in", "msg")},
		{title: "Volume in", kind: "n", value: cell("in", "kb")}, {title: "Recipients out", kind: "n", value: cell("out", "rcp")},
		{title: "Messages out", kind: "n", value: cell("out", "msg")}, {title: "Volume out", kind: "n", value: cell("out", "kb")}], rows));
}

function largest(queues, domains) {
	return el("div", {class: "two"},
		card("Largest queues", table("By recipients", [
			{title: "Queue", value: (q) => el("a", {href: "/ui/queue?name=" + encodeURIComponent(q.name)}, q.name)},
			{title: "Recipients", kind: "n", value: (q) => number(q.rcp)},
			{title: "State", value: (q) => badge(q.state, q.paused ? "warn" : q.mode === "backoff" ? "bad" : "")}], queues, "No mail waits.")),
		card("Largest domains", table("By recipients", [
			{title: "Domain", value: (d) => el("a", {href: "/ui/queues?queue=" + encodeURIComponent(d.name + "/*")}, d.name)},
			{title: "Recipients", kind: "n", value: (d) => number(d.rcp)},
			{title: "Connections", kind: "n", value: (d) => number(d.conn)}], domains, "No mail waits.")));
}

// accepted = delivered + bounced + expired + deleted + queued
function ledger(l) {
	const ends = ["delivered", "bounced", "expired", "deleted", "queued"], rest = l.accepted - ends.reduce((t, k) => t + l[k], 0);
	return card("Is anything lost?", el("p", {}, rest === 0 ? badge("It balances", "") : l.scanning ? badge("the spool is being read", "warn") : badge(`${number(rest)} are on their way`, "warn"),
		` Since the spool was made ${number(l.accepted)} recipients were accepted; ${ends.map((k) => `${number(l[k])} ${k}`).join(", ")}. `,
		"pmtactl audit proves it from the files."));
}

export async function home(context) {
	const head = el("p", {class: "dim"}), box = el("div", {}), hour = await hourCharts(context);
	const draw = async () => {
		const [s, l, q, d] = await Promise.all([get("/status"), show("show ledger"), get("/queues", {sort: "rcpt", maxitems: 5}), get("/domains", {sort: "rcpt", maxitems: 5})]);
		head.textContent = `${s.mta.product.name} ${s.mta.product.version} on ${s.mta.fullHostName}, ${s.status.status} since ${s.status.startupTime}; spool read ${s.status.spool.initPct} %`;
		box.replaceChildren(largest(q.queue, d.domain), traffic(s.status), ledger(l.ledger));
	};
	context.box.append(el("h1", {}, "Now"), head, tiles(context), liveChart(context), hour.box, box);
	await draw();
	context.refresh = async () => { await draw(); await hour.draw(); };
	context.drawn = hour.draw; // again, once its width is known
	if (context.samples.length) context.draws.forEach((f) => f());
}

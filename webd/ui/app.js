// The page's frame: who is here, where they are, what is live. Each page is a function of pages.js.
import {MAY, Refused, get, post, session} from "./api.js";
import {el, toast} from "./dom.js";
import {PAGES, login} from "./pages.js";

const REFRESH_MS = 5000, KEPT = 300;
const app = {session: null, commands: [], samples: [], refresh: null, draws: [], busy: false, generation: 0};

const main = document.getElementById("main");

export function may(level) {
	return app.session !== null && MAY[app.session.access] >= MAY[level];
}

// ---- navigation ----

function current() {
	const name = location.pathname.replace(/^\/ui\/?/, "").replace(/\/$/, "") || "home";
	return PAGES.find((p) => p.name === name);
}

function drawNavigation() {
	const nav = document.getElementById("nav"), here = current();
	const groups = [...new Set(PAGES.filter((p) => p.group && may(p.may || "monitor")).map((p) => p.group))];
	nav.replaceChildren(...groups.flatMap((g) => [
		el("h2", {}, g),
		el("ul", {}, PAGES.filter((p) => p.group === g && may(p.may || "monitor")).map((p) => el("li", {},
			el("a", {href: "/ui/" + (p.name === "home" ? "" : p.name), "aria-current": p === here ? "page" : null}, p.title)))),
	]));
}

function drawWho() {
	const who = document.getElementById("who"), s = app.session;
	const leave = async () => { await post("/logout"); await start(); };
	document.getElementById("host").textContent = s.host;
	who.replaceChildren(el("span", {}, (s.user ? s.user + ", " : "") + s.access),
		s.user ? el("button", {type: "button", onclick: leave, id: "logout"}, "Log out")
			: s.hasUsers ? el("button", {type: "button", onclick: () => go("/ui/login"), id: "to-login"}, "Log in") : "");
}

export function go(path) {
	history.pushState(null, "", path);
	open(true);
}

async function open(moves) {
	const mine = ++app.generation, page = current();
	app.refresh = null;
	app.draws = [];
	document.getElementById("nav").classList.remove("open");
	document.getElementById("menu").setAttribute("aria-expanded", "false");
	drawNavigation();
	document.title = (page ? page.title : "Not found") + " – Posthaste";
	const box = el("div", {}), context = makeContext(box);
	try {
		if (!page) box.append(el("h1", {}, "There is no such page"));
		else if (page.name !== "login" && !may(page.may || "monitor")) await login(context);
		else await page.open(context);
	} catch (e) {
		if (!(e instanceof Refused)) throw e;
		box.append(el("p", {class: "bad", role: "alert"}, e.message));
	}
	if (mine !== app.generation) return;
	main.replaceChildren(box);
	app.refresh = context.refresh;
	app.draws = context.draws;
	if (context.drawn) await context.drawn();
	main.dataset.ready = location.pathname + location.search;
	if (moves) main.focus();
}

function makeContext(box) {
	return {box, session: app.session, commands: app.commands, may, go, samples: app.samples, draws: [], refresh: null,
		query: new URLSearchParams(location.search), start, reopen: () => open(false)};
}

document.addEventListener("click", (e) => {
	const a = e.target.closest("a[href^='/ui/']");
	if (!a || e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
	e.preventDefault();
	go(a.getAttribute("href"));
});
window.addEventListener("popstate", () => open(true));
document.getElementById("menu").addEventListener("click", (e) => {
	const isOpen = document.getElementById("nav").classList.toggle("open");
	e.currentTarget.setAttribute("aria-expanded", String(isOpen));
});

// ---- live ----

function setLive(state, text) {
	const live = document.getElementById("live");
	if (live.textContent === text) return;
	live.className = "live " + state;
	live.textContent = text;
}

let source = null;

function listen() {
	if (source) source.close();
	source = null;
	if (!may("monitor")) { setLive("off", "not logged in"); return; }
	source = new EventSource("/events");
	source.onmessage = (e) => {
		app.samples.push(JSON.parse(e.data));
		if (app.samples.length > KEPT) app.samples.shift();
		setLive("on", "live");
		app.draws.forEach((draw) => draw());
	};
	source.onerror = () => setLive("off", "no connection");
}

setInterval(async () => {
	if (!app.refresh || app.busy || document.hidden) return;
	app.busy = true;
	try {
		await app.refresh();
	} catch (e) {
		if (!(e instanceof Refused)) throw e;
		if (e.status === 403) await start();
	} finally {
		app.busy = false;
	}
}, REFRESH_MS);

async function start() {
	try {
		app.session = await session();
	} catch (e) {
		main.replaceChildren(el("h1", {}, "No access"), el("p", {class: "bad", role: "alert"}, e.message));
		setLive("off", "no access");
		return;
	}
	app.commands = may("monitor") ? (await get("/commands")).command : [];
	drawWho();
	listen();
	await open(false);
}

window.addEventListener("unhandledrejection", (e) => {
	if (!(e.reason instanceof Refused)) return;
	e.preventDefault();
	toast(e.reason.message, true);
});
start();

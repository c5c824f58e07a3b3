// The configuration's files: to read, to change after a check, with what differs shown first, and to go back.
import {get, post, run} from "./api.js";
import {card, confirm, el, field, table, toast} from "./dom.js";

// lines that differ, by the longest common subsequence within the changed middle
export function difference(before, after) {
	const a = before.split("\n"), b = after.split("\n");
	let head = 0, tail = 0;
	while (head < a.length && head < b.length && a[head] === b[head]) head++;
	while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
	const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail);
	if (x.length * y.length > 4e6) return [...x.map((t) => ["-", t]), ...y.map((t) => ["+", t])];
	const best = Array.from({length: x.length + 1}, () => new Uint32Array(y.length + 1));
	for (let i = x.length - 1; i >= 0; i--)
		for (let k = y.length - 1; k >= 0; k--)
			best[i][k] = x[i] === y[k] ? best[i + 1][k + 1] + 1 : Math.max(best[i + 1][k], best[i][k + 1]);
	const out = [];
	let i = 0, k = 0;
	while (i < x.length || k < y.length)
		if (i < x.length && k < y.length && x[i] === y[k]) { out.push([" ", x[i]]); i++; k++; }
		else if (i < x.length && (k === y.length || best[i + 1][k] >= best[i][k + 1])) out.push(["-", x[i++]]);
		else out.push(["+", y[k++]]);
	return out;
}

function showDifference(before, after) {
	const lines = difference(before, after);
	if (!lines.some(([s]) => s !== " ")) return el("p", {class: "dim"}, "Nothing is changed.");
	return el("pre", {tabindex: "0", "aria-label": "Difference"}, lines.map(([sign, line]) =>
		el("span", {class: sign === "+" ? "add" : sign === "-" ? "del" : "dim"}, sign + " " + line + "\n")));
}

async function openFile(context, name, box) {
	const file = (await get("/configFile", {op: "read", filename: name})).file;
	const content = file.content, canEdit = context.session.edits && context.may("admin");
	const area = el("textarea", {class: "code", spellcheck: "false", "aria-label": name, readonly: !canEdit, id: "config-text"});
	const result = el("div", {"aria-live": "polite", id: "config-result"});
	area.value = content;
	const check = async () => {
		try {
			const a = await post("/configFile", {op: "check", filename: name, content: area.value});
			result.replaceChildren(el("p", {class: "good"}, a.message), showDifference(content, area.value));
			return true;
		} catch (e) {
			result.replaceChildren(el("pre", {class: "bad", role: "alert"}, e.message));
			return false;
		}
	};
	const apply = async () => {
		if (!(await check())) return;
		if (!(await confirm("Replace the file and reload?", el("div", {}, el("p", {class: "mono"}, name), showDifference(content, area.value)), "Replace"))) return;
		try {
			toast((await post("/configFile", {op: "write", filename: name, content: area.value, hash: file.hash})).message);
			toast((await run("reload")).message);
			await context.reopen();
		} catch (e) {
			toast(e.message, true);
		}
	};
	box.replaceChildren(card(name, area, canEdit
		? el("div", {class: "actions"}, el("button", {type: "button", onclick: check, id: "config-check"}, "Check"), el("button", {type: "button", class: "main", onclick: apply, id: "config-apply"}, "Replace and reload…"))
		: el("p", {class: "dim"}, context.session.edits ? "To change it takes the right admin." : "To change it here takes <http> enable-config-editing yes."), result));
}

function goBack(context, b) {
	return el("button", {type: "button", class: "danger", "data-command": "roll back", onclick: async () => {
		if (!(await confirm("Go back to this version and reload?", el("p", {class: "mono"}, `${b.file} of ${b.time}`), "Go back"))) return;
		try {
			toast((await post("/configFile", {op: "rollback", backup: b.name})).message);
			toast((await run("reload")).message);
			await context.reopen();
		} catch (e) {
			toast(e.message, true);
		}
	}}, "Go back to it…");
}

export async function configuration(context) {
	const box = el("div", {});
	context.box.append(el("h1", {}, "Configuration"));
	const d = await get("/configFile", {op: "listconfigfiles"});
	const names = (d.file || []).map((f) => f.name);
	const choice = el("select", {id: "config-file", onchange: () => openFile(context, choice.value, box)}, names.map((n) => el("option", {value: n}, n)));
	context.box.append(el("div", {class: "row"}, field("File", choice)), box);
	if (names.length) await openFile(context, names[0], box);
	context.box.append(card("Earlier versions", table("Kept at each change made here", [
		{title: "Changed", value: (b) => b.time}, {title: "File", kind: "mono", value: (b) => b.file},
		{title: "", value: (b) => context.session.edits && context.may("admin") ? goBack(context, b) : ""}], d.backup || [], "None yet.")));
}

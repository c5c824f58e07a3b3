// What changes something: a button each; what destroys is tried dry first and asks.
import {run} from "./api.js";
import {card, confirm, el, field, toast} from "./dom.js";

async function carryOut(context, command, fields) {
	try {
		toast((await run(command, fields)).message);
		await context.reopen();
	} catch (e) {
		toast(e.message, true);
	}
}

export function act(context, label, command, fields, options = {}) {
	const click = async () => {
		if (options.asks && !(await confirm(label, el("p", {}, options.asks), label))) return;
		await carryOut(context, command, fields);
	};
	return el("button", {type: "button", class: options.class, onclick: click, "data-command": command}, label);
}

export function pauseButtons(context, queue) {
	const target = {target: queue};
	return el("div", {class: "actions"},
		act(context, "Pause", "pause queue", target),
		act(context, "Resume", "resume queue", target),
		act(context, "Try now", "schedule", target),
		act(context, "Back-off mode", "set queue", {...target, mode: "backoff"}),
		act(context, "Normal mode", "set queue", {...target, mode: "normal"}));
}

export function sourceForm(context, queue) {
	const ip = el("input", {name: "ip", required: true, autocomplete: "off"});
	const name = el("input", {name: "queue", required: true, value: queue, autocomplete: "off"});
	const after = el("input", {name: "after", placeholder: "for ever", autocomplete: "off"});
	const fields = () => ({source: ip.value.trim(), target: name.value.trim(), ...(after.value ? {"reenable-after": after.value.trim()} : {})});
	const disable = async (e) => {
		e.preventDefault();
		await carryOut(context, "disable source", fields());
	};
	const enable = () => carryOut(context, "enable source", {source: ip.value.trim(), target: name.value.trim()});
	return card("Switch a source address off or on",
		el("form", {class: "row", onsubmit: disable}, field("Address", ip), field("domain/vmta", name), field("On again after (1h, 1d)", after),
			el("button", {type: "submit", "data-command": "disable source"}, "Disable"), el("button", {type: "button", onclick: enable, "data-command": "enable source"}, "Enable")));
}

// selectors as of `delete`: queue, rcpt, orig, jobid
export function deleteButton(context, given) {
	const names = {queue: "queue", rcpt: "rcpt", orig: "orig", jobid: "jobId"};
	const fields = Object.fromEntries(Object.entries(names).filter(([k]) => given[k]).map(([k, name]) => [name, given[k]]));
	const dsn = el("input", {type: "checkbox", name: "dsn"});
	const click = async () => {
		let dry;
		try {
			dry = await run("delete", {...fields, "dry-run": "yes"});
		} catch (e) {
			toast(e.message, true);
			return;
		}
		const details = [el("p", {}, dry.message), el("p", {class: "dim"}, "This cannot be undone."), el("label", {class: "flat"}, dsn, "tell the senders")];
		if (await confirm("Delete waiting recipients?", details, "Delete"))
			await carryOut(context, "delete", {...fields, ...(dsn.checked ? {dsn: "yes"} : {})});
	};
	return card("Delete", el("p", {}, "The recipients that match end as deleted. First it is told how many those are."),
		el("button", {type: "button", class: "danger", onclick: click, "data-command": "delete"}, "Delete…"));
}

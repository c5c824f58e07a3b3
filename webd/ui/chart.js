// Lines over time, as SVG: series = [{name, points: [[time in ms, value], …]}]. One scale, from zero.

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 160, LEFT = 44, BOTTOM = 18, TOP = 6;

function node(name, attributes, text) {
	const n = document.createElementNS(NS, name);
	for (const [k, v] of Object.entries(attributes)) n.setAttribute(k, v);
	if (text !== undefined) n.textContent = text;
	return n;
}

function ceiling(value) {
	if (value <= 4) return 4;
	const power = 10 ** Math.floor(Math.log10(value));
	for (const step of [1, 2, 4, 5, 8, 10])
		if (value <= step * power) return step * power;
	return 10 * power;
}

function short(value) {
	if (value >= 1e6) return +(value / 1e6).toFixed(1) + "M";
	if (value >= 1e3) return +(value / 1e3).toFixed(1) + "k";
	return String(+value.toFixed(1));
}

function clock(ms) {
	return new Date(ms).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", second: "2-digit"});
}

function axes(svg, width, top, from, to) {
	for (let i = 0; i <= 4; i++) {
		const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - i / 4);
		svg.append(node("line", {x1: LEFT, x2: width, y1: y, y2: y, class: "grid"}));
		svg.append(node("text", {x: LEFT - 6, y: y + 4, "text-anchor": "end"}, short(top * i / 4)));
	}
	svg.append(node("text", {x: LEFT, y: HEIGHT - 3}, clock(from)));
	svg.append(node("text", {x: width, y: HEIGHT - 3, "text-anchor": "end"}, clock(to)));
}

export function chart(title, unit) {
	const svg = node("svg", {class: "chart", role: "img", "aria-label": title});
	const legend = document.createElement("p");
	const figure = document.createElement("figure");
	legend.className = "legend";
	figure.append(svg, legend);
	figure.className = "figure";

	function draw(series) {
		const all = series.flatMap((s) => s.points);
		const from = Math.min(...all.map((p) => p[0])), to = Math.max(...all.map((p) => p[0]));
		const top = ceiling(Math.max(0, ...all.map((p) => p[1])));
		svg.replaceChildren();
		legend.replaceChildren();
		if (all.length < 2) return;
		const width = svg.clientWidth || 600; // so that text is not stretched
		svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
		axes(svg, width, top, from, to);
		series.forEach((s, i) => {
			const at = ([t, v]) => [LEFT + (width - LEFT) * (t - from) / Math.max(1, to - from),
				TOP + (HEIGHT - TOP - BOTTOM) * (1 - v / top)].map((x) => x.toFixed(1)).join(",");
			svg.append(node("polyline", {points: s.points.map(at).join(" "), class: "c" + i}));
			const mark = document.createElement("i"), item = document.createElement("span");
			const last = s.points.length ? s.points[s.points.length - 1][1] : 0;
			mark.className = "c" + i;
			item.append(mark, `${s.name}: ${short(last)}${unit}`);
			legend.append(item);
		});
		svg.setAttribute("aria-label", title + ": " + series.map((s) =>
			`${s.name} now ${short(s.points.length ? s.points[s.points.length - 1][1] : 0)}${unit}, most ${short(Math.max(0, ...s.points.map((p) => p[1])))}${unit}`).join("; "));
	}
	return {figure, draw};
}

// differences of a counter, per second
export function rates(samples, name) {
	const points = [];
	for (let i = 1; i < samples.length; i++) {
		const seconds = (samples[i].time - samples[i - 1].time) / 1000;
		const n = samples[i][name] - samples[i - 1][name];
		if (seconds > 0) points.push([samples[i].time, Math.max(0, n / seconds)]);
	}
	return points;
}

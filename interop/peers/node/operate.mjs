// operate does what a line of a row says: a JSON array of an operation's name and its arguments. It
// says "NAME: RESULT" or "NAME failed: TEXT".
export async function operate(operations, line, say) {
	const [name, ...args] = JSON.parse(line);
	try {
		say({ say: `${name}: ${JSON.stringify((await operations[name](...args)) ?? null)}` });
	} catch (e) {
		say({ say: `${name} failed: ${e?.message ?? JSON.stringify(e)}` });
	}
}

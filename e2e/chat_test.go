//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// joinJS joins the room as a person does, and says something.
const joinJS = `
	const until = async (done) => { while (!done()) await new Promise(f => setTimeout(f, 10)); };
	const said = () => [...document.querySelectorAll('#talk li')].map((line) => line.innerText);
	const submit = (form, field, value) => {
		document.getElementById(field).value = value;
		document.getElementById(form).requestSubmit();
	};
`

func TestPeopleInTwoPagesHearEachOther(t *testing.T) {
	page := example(t, "chat")
	for name, classic := range map[string]string{
		"WebSocketStream": "",
		"WebSocket":       "delete self.WebSocketStream;",
	} {
		t.Run(name, func(t *testing.T) {
			ann, bob := open(t, page), open(t, page)
			ann.run(t, classic+joinJS+`
				submit('join', 'name', 'Ann');
				await until(() => !document.getElementById('say').hidden);`)
			bob.run(t, classic+joinJS+`
				submit('join', 'name', 'Bob <b>');
				await until(() => !document.getElementById('say').hidden);
				submit('say', 'text', 'hello, <i>Ann</i>');`)
			require.Equal(t, []string{"Bob <b>hello, <i>Ann</i>"}, eval[[]string](t, ann, joinJS+`
				await until(() => said().length > 0);
				return said();`))
			require.Equal(t, "2 people are here.",
				eval[string](t, ann, `return document.getElementById('status').innerText`))
			ann.run(t, joinJS+`submit('say', 'text', 'hello, Bob');`)
			require.Equal(t, "Annhello, Bob", eval[string](t, bob, joinJS+`
				await until(() => said().length > 1);
				return said()[1];`))
			ann.close()
			bob.close()
		})
	}
}

func TestAPersonWithoutANameIsToldSo(t *testing.T) {
	p := open(t, example(t, "chat"))
	require.Contains(t, eval[string](t, p, joinJS+`
		submit('join', 'name', '   ');
		await until(() => document.getElementById('status').innerText.includes('left'));
		return document.getElementById('status').innerText;`), "a name has 1 to 40 characters")
}

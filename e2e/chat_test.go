//go:build e2e

package e2e

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// chatRoom builds examples/chat and starts it. It returns the address of its page.
func chatRoom(t *testing.T) (page string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "chat")
	build := exec.Command(found(t, "go"), "build", "-o", binary, "./chat")
	build.Dir = "../examples"
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	cmd := exec.CommandContext(t.Context(), binary, "-listen", "127.0.0.1:0")
	own(cmd)
	cmd.Cancel = func() error { kill(cmd); return nil }
	cmd.Stderr = t.Output()
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		kill(cmd)
		_ = cmd.Wait() // it was killed
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	page = regexp.MustCompile(`http://\S+`).FindString(line)
	require.NotEmpty(t, page, line)
	return page
}

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
	page := chatRoom(t)
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
	p := open(t, chatRoom(t))
	require.Contains(t, eval[string](t, p, joinJS+`
		submit('join', 'name', '   ');
		await until(() => document.getElementById('status').innerText.includes('left'));
		return document.getElementById('status').innerText;`), "a name has 1 to 40 characters")
}

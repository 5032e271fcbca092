//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/trial"
)

// uploadJS reads what the page of examples/upload shows, and gives it files.
const uploadJS = `
	const until = async (done) => { while (!done()) await new Promise(f => setTimeout(f, 20)); };
	const card = (name) => [...document.querySelectorAll('#uploads li')].findLast(
		(li) => li.querySelector('h2').textContent === name);
	const bytes = (name, what) => Number(card(name).querySelector('output.' + what).dataset.bytes ?? 0);
	const state = (name) => card(name)?.querySelector('.state').textContent ?? '';
	const settled = async (name) => {
		await until(() => /^(Stored|Not stored|Paused)/.test(state(name)));
		return state(name);
	};
	const drop = (name, size) => {
		const dataTransfer = new DataTransfer();
		dataTransfer.items.add(new File([new Uint8Array(size)], name));
		document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true }));
	};`

// An uploader is the program of examples/upload, which can be killed and started again.
type uploader struct {
	*testing.T
	binary, addr, dir string
	process           *trial.Process
}

// upload starts the program with more arguments.
func upload(t *testing.T, args ...string) *uploader {
	t.Helper()
	u := newUploader(t)
	u.start(args...)
	return u
}

func newUploader(t *testing.T) *uploader {
	t.Helper()
	return &uploader{
		T:      t,
		binary: build(t, "../examples", "upload"),
		addr:   fmt.Sprintf("127.0.0.1:%d", trial.FreePort(t)),
		dir:    t.TempDir(),
	}
}

func (u *uploader) start(args ...string) {
	u.Helper()
	args = append([]string{"-listen", u.addr, "-dir", u.dir}, args...)
	u.process = start(u.T, u.addr, u.binary, args...)
}

// kill ends the process without a chance to tidy up.
func (u *uploader) kill() {
	u.process.Kill()
	<-u.process.Ended()
}

func (u *uploader) page() string { return "http://" + u.addr + "/" }

// file makes a file of random bytes.
func (u *uploader) file(name string, size int) (path string, content []byte) {
	content = make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	path = filepath.Join(u.TempDir(), name)
	require.NoError(u, os.WriteFile(path, content, 0o644))
	return path, content
}

// stored checks that the folder has one file, whole.
func (u *uploader) stored(name string, content []byte) {
	u.Helper()
	require.Equal(u, []string{name}, u.names())
	got, err := os.ReadFile(filepath.Join(u.dir, name))
	require.NoError(u, err)
	require.True(u, bytes.Equal(content, got), "%d bytes of %d", len(got), len(content))
}

func (u *uploader) names() (names []string) {
	u.Helper()
	entries, err := os.ReadDir(u.dir)
	require.NoError(u, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// choose chooses files in the page, as a user does in the browser's dialog.
func (p *tab) choose(t *testing.T, paths ...string) {
	t.Helper()
	require.NoError(t, chromedp.Do(p.patient(t), chromedp.SetUploadFiles("#files", paths)))
}

// eachWay runs a test in a page with WebSocketStream, and in one without it.
func eachWay(t *testing.T, test func(t *testing.T, p *tab)) {
	for name, script := range map[string]string{
		"WebSocketStream": "",
		"WebSocket":       "delete self.WebSocketStream",
	} {
		t.Run(name, func(t *testing.T) {
			p := newTab(t)
			_, err := chromedp.Call(p.patient(t), page.AddScriptToEvaluateOnNewDocument,
				page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
			require.NoError(t, err)
			test(t, p)
		})
	}
}

func TestAPageUploadsAFile(t *testing.T) {
	eachWay(t, func(t *testing.T, p *tab) {
		u := upload(t)
		p.visit(t, u.page())
		path, content := u.file("Bild 水 & %41.bin", 20<<20+1)
		p.choose(t, path)
		require.Equal(t, "Stored", eval[string](t, p, uploadJS+`return settled('Bild 水 & %41.bin');`))
		u.stored("Bild 水 & %41.bin", content)
		require.Contains(t, eval[string](t, p, `return document.querySelector('.sum').textContent`),
			"sha256 "+sumOf(content))
	})
}

func TestASlowDiskSlowsThePageDown(t *testing.T) {
	eachWay(t, func(t *testing.T, p *tab) {
		u := upload(t, "-disk-rate", "4MB/s")
		p.visit(t, u.page())
		got := eval[struct{ Most, Stored, Size int }](t, p, uploadJS+`
			drop('big', 64 << 20);
			let most = 0;
			await until(() => {
				if (!card('big')) return false;
				most = Math.max(most, bytes('big', 'flight'));
				return bytes('big', 'stored') > 4e6;
			});
			return { most, stored: bytes('big', 'stored'), size: 64 << 20 };`)
		require.Less(t, got.Most, flat, "what the page, the browser and the kernels hold")
		require.Less(t, got.Stored+got.Most, got.Size, "most of the file is still in the page")
		require.Equal(t, []string{".big.part"}, u.names())
	})
}

// untilStoredJS waits until the file is stored. It returns the least that was stored meanwhile.
const untilStoredJS = uploadJS + `
	let least = Infinity;
	await until(() => {
		if (/Uploading|Stored/.test(state('big'))) least = Math.min(least, bytes('big', 'stored'));
		return /^(Stored|Not)/.test(state('big'));
	});
	return { state: state('big'), least };`

type ending struct {
	State string
	Least int
}

func TestAPageGoesOnWhenTheServerIsKilledAndStartedAgain(t *testing.T) {
	u := upload(t, "-disk-rate", "4MB/s")
	p := open(t, u.page())
	p.run(t, `document.querySelector('[name=way][value=classic]').click()`)
	path, content := u.file("big", 10<<20)
	p.choose(t, path)
	before := u.killIn(p)
	require.Contains(t, eval[string](t, p, uploadJS+`
		await until(() => state('big').includes('again in'));
		return state('big');`), "the connection was lost")
	u.start()
	got := eval[ending](t, p, untilStoredJS)
	require.Equal(t, "Stored", got.State)
	require.GreaterOrEqual(t, got.Least, before, "it went on where it was")
	u.stored("big", content)
}

// A lost WebSocketStream crashes the page of Chromium. The user opens it again.
func TestAnotherPageGoesOnWhenTheServerWasKilled(t *testing.T) {
	u := upload(t, "-disk-rate", "4MB/s")
	p := open(t, u.page())
	path, content := u.file("big", 10<<20)
	p.choose(t, path)
	before := u.killIn(p)
	p.close()
	u.start()
	p = open(t, u.page())
	p.choose(t, path)
	got := eval[ending](t, p, untilStoredJS)
	require.Equal(t, "Stored", got.State)
	require.GreaterOrEqual(t, got.Least, before, "it went on where it was")
	u.stored("big", content)
}

// killIn kills the server in the middle of an upload. It returns what the page knew to be stored.
func (u *uploader) killIn(p *tab) (stored int) {
	u.Helper()
	stored = eval[int](u.T, p, uploadJS+`
		await until(() => card('big') && bytes('big', 'stored') > 2e6);
		return bytes('big', 'stored');`)
	u.kill()
	return stored
}

func TestAPageThatHasCrashedUsesWebSocket(t *testing.T) {
	p := open(t, upload(t).page())
	const way = `return document.querySelector('[name=way]:checked').value`
	require.Equal(t, "stream", eval[string](t, p, way))
	p.run(t, `sessionStorage.setItem('uploading', '');
		Storage.prototype.removeItem = () => {}; // the page did not leave, it crashed`)
	require.NoError(t, chromedp.Do(p.patient(t), chromedp.Reload()))
	require.Equal(t, "classic", eval[string](t, p, way))
	require.Contains(t, eval[string](t, p, `return document.getElementById('way').textContent`),
		"The browser crashed this page")
}

func TestAPageBeginsAnewIfTheServersPartIsOfAnotherFile(t *testing.T) {
	u := upload(t)
	require.NoError(t, os.WriteFile(filepath.Join(u.dir, ".x.part"), []byte("of another file"), 0o644))
	p := open(t, u.page())
	path, content := u.file("x", 100_000)
	p.choose(t, path)
	require.Equal(t, "Stored", eval[string](t, p, uploadJS+`return settled('x');`))
	u.stored("x", content)
}

func TestAPageIsToldWhyAFileIsNotStored(t *testing.T) {
	u := upload(t, "-max-bytes", "1MB")
	p := open(t, u.page())
	path, content := u.file("x", 1000)
	p.choose(t, path)
	require.Equal(t, "Stored", eval[string](t, p, uploadJS+`return settled('x');`))
	p.choose(t, path)
	require.Equal(t, "Stored", eval[string](t, p, uploadJS+`
		await until(() => document.querySelectorAll('#uploads li').length === 2);
		return settled('x');`), "the same file is there")
	for name, c := range map[string]struct {
		size int
		says string
	}{
		"x":            {1000, "Not stored: a file of this name exists"},
		"../y":         {1000, "Not stored: bad name"},
		".profile":     {1000, "Not stored: bad name"},
		"far too much": {1000_001, "Not stored: a file may have at most 1000000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			js := fmt.Sprintf(`
				drop(%q, %d);
				return settled(card(%[1]q) ? %[1]q : [...document.querySelectorAll('h2')].at(-1).textContent);`,
				name, c.size)
			require.Contains(t, eval[string](t, p, uploadJS+js), c.says)
		})
	}
	u.stored("x", content)
}

func TestAFullDiskIsToldInThePage(t *testing.T) {
	eachWay(t, func(t *testing.T, p *tab) {
		u := newUploader(t)
		// A disk of its own, of 1 MiB, in a namespace of its own: that needs no root.
		start(t, u.addr, "unshare", "-rm", "sh", "-c",
			`mount -t tmpfs -o size=1m none "$1" && exec "$2" -listen "$3" -dir "$1"`,
			"sh", u.dir, u.binary, u.addr)
		p.visit(t, u.page())
		require.Equal(t, "Not stored: the server's disk is full", eval[string](t, p, uploadJS+`
			drop('x', 4 << 20);
			return settled('x');`))
		require.Equal(t, "Stored", eval[string](t, p, uploadJS+`
			drop('nothing', 0);
			return settled('nothing');`), "the server goes on")
	})
}

func TestTheUploadPageWorksWithTheKeyboardAndSaysItsNumbers(t *testing.T) {
	u := upload(t, "-disk-rate", "4MB/s")
	p := open(t, u.page())
	press := func(keys string) {
		t.Helper()
		require.NoError(t, chromedp.Do(p.patient(t), chromedp.KeyEvent(keys)))
	}
	press("\t")
	require.Equal(t, "files", eval[string](t, p, `return document.activeElement.id`))
	path, content := u.file("x", 8<<20)
	p.choose(t, path)
	p.run(t, uploadJS+`await until(() => card('x') && bytes('x', 'stored') > 0);`)
	press("\t\t") // past the choice of the way
	require.Equal(t, "Pause x", eval[string](t, p, `return document.activeElement.ariaLabel`))
	press(kb.Enter)
	require.Equal(t, "Paused", eval[string](t, p, uploadJS+`return settled('x');`))
	require.Equal(t, "Continue x", eval[string](t, p, `return document.activeElement.ariaLabel`))
	require.Equal(t, "x: Paused", eval[string](t, p, `return document.getElementById('told').textContent`))
	require.Regexp(t, `^(\d{1,3} kB|[1-7]\.\d MB) of 8\.4 MB stored$`, eval[string](t, p, `
		return document.querySelector('[role=progressbar]').getAttribute('aria-valuetext');`))
	press(kb.Enter)
	require.Equal(t, "Stored", eval[string](t, p, uploadJS+`
		await until(() => state('x') !== 'Paused');
		return settled('x');`))
	u.stored("x", content)
}

func TestTheUploadPageWithoutWebSocketStreamSaysSo(t *testing.T) {
	eachWay(t, func(t *testing.T, p *tab) {
		p.visit(t, upload(t).page())
		require.Equal(t, strings.HasSuffix(t.Name(), "/WebSocket"),
			strings.Contains(eval[string](t, p, uploadJS+`
				await until(() => document.getElementById('way').innerText);
				return document.getElementById('way').innerText;`), "no WebSocketStream"))
	})
}

func TestTheUploadPageFitsAPhoneAndHasADarkForm(t *testing.T) {
	inEachLook(t, "upload", 900, 760, func(t *testing.T) (*tab, string) {
		u := upload(t, "-disk-rate", "8MB/s")
		require.NoError(t, os.WriteFile(filepath.Join(u.dir, "notes.txt"), nil, 0o644))
		return newTab(t), u.page()
	}, uploadJS+`
		const long = 'A film whose long name a phone shows on several lines, without a gap.mp4';
		drop(long, 12e6);
		drop('holiday.jpg', 1e6);
		drop('notes.txt', 5000);
		await until(() => state('holiday.jpg') === 'Stored' && state('notes.txt').startsWith('Not') &&
			bytes(long, 'stored') > 3e6);`)
}

// The commands are those of docs/examples.md.
func TestTheCommandUploadsAFile(t *testing.T) {
	u := upload(t, "-disk-rate", "8MB/s")
	command := build(t, "../cmd", "wsstream")
	path, content := u.file("big.iso", 12<<20)
	dial := func(script string) (answers []struct {
		Type, SHA256 string
		Bytes        int
	}, status int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", path)
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(command)+":"+os.Getenv("PATH"),
			"SERVER=ws://"+u.addr)
		out, _ := cmd.Output()
		lines := json.NewDecoder(bytes.NewReader(out))
		for lines.More() {
			answers = append(answers, struct {
				Type, SHA256 string
				Bytes        int
			}{})
			require.NoError(t, lines.Decode(&answers[len(answers)-1]), string(out))
		}
		return answers, cmd.ProcessState.ExitCode()
	}
	const to = ` | wsstream dial --binary --no-close "$SERVER/upload?name=big.iso&length=$(wc -c <"$1" | tr -d ' ')`

	// An input that ends too early, and a command that closes then, in order: the file is not there.
	_, status := dial(`head -c 5000000 "$1"` + strings.Replace(to, " --no-close", "", 1) + `"`)
	require.Zero(t, status)
	require.Equal(t, []string{".big.iso.part"}, u.names())

	// The rest of it.
	asked, status := dial(`wsstream dial --binary --count 1 "$SERVER/upload?name=big.iso&length=12582912&offset=part"`)
	require.Zero(t, status)
	require.Equal(t, 5_000_000, asked[0].Bytes)
	answers, status := dial(`tail -c +5000001 "$1"` + to + `&offset=5000000"`)
	require.Zero(t, status)
	require.Greater(t, len(answers), 2, "it was told what is stored")
	last := answers[len(answers)-1]
	require.Equal(t, "done", last.Type)
	require.Equal(t, sumOf(content), last.SHA256)
	u.stored("big.iso", content)

	// Once more.
	_, status = dial(`cat "$1"` + to + `"`)
	require.Equal(t, 4, status, "the server's code")
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

//go:build e2e

package e2e

import (
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// lanesJS reads the numbers that the page of examples/live shows.
const lanesJS = `
	const bytes = (lane, what) => Number(document.querySelector('#' + lane + ' output.' + what).dataset.bytes);
	const until = async (done) => { while (!done()) await new Promise(f => setTimeout(f, 50)); };
	const slide = (id, value) => {
		const slider = document.getElementById(id);
		slider.value = value;
		slider.dispatchEvent(new Event('input', { bubbles: true }));
	};`

const (
	piledUp = 24 << 20
	// flat is more than the page, the browser and the kernels hold of a stream together.
	flat = 16 << 20
)

// newLiveTab is newTab for the page of a flood. The end of the test leaves the page before the tab
// is closed. Chromium opens no other tab while it closes a page of a flood.
func newLiveTab(t *testing.T) *tab {
	t.Helper()
	p := newTab(t)
	t.Cleanup(func() { p.visit(t, "about:blank") })
	return p
}

func openLive(t *testing.T) *tab {
	t.Helper()
	p := newLiveTab(t)
	p.visit(t, example(t, "live"))
	return p
}

func TestInTheLivePageTheClassicWebSocketDrownsAndTheStreamsBreathe(t *testing.T) {
	p := openLive(t)
	type lane struct{ Page, All, Held, Consumed int }
	got := eval[map[string]lane](t, p, lanesJS+`
		let most = 0;
		await until(() => {
			most = Math.max(most, bytes('stream', 'page'));
			return bytes('classic', 'page') > `+strconv.Itoa(piledUp)+`;
		});
		const lane = (name) => Object.fromEntries(
			['page', 'all', 'held', 'consumed'].map((what) => [what, bytes(name, what)]));
		return { classic: lane('classic'), stream: { ...lane('stream'), page: most }, go: lane('go') };`)
	require.Greater(t, got["classic"].Page, piledUp)
	require.LessOrEqual(t, got["stream"].Page, 1<<20, "the page never held more of the stream")
	require.Less(t, got["stream"].All, flat)
	require.Less(t, got["go"].All, flat)
	require.Positive(t, got["stream"].Consumed)
	require.Positive(t, got["go"].Consumed)
	for name, l := range got {
		require.LessOrEqual(t, l.Held, 96<<10, "%s: the server holds its window and a message", name)
	}

	// A page that stops to read stops the producer; one that goes on lets it go on.
	consumed := eval[int](t, p, lanesJS+`
		slide('consumer', 0);
		await new Promise(f => setTimeout(f, 1500));
		return bytes('stream', 'consumed');`)
	require.Greater(t, eval[int](t, p, lanesJS+`
		slide('consumer', 20);
		await until(() => bytes('stream', 'consumed') > `+strconv.Itoa(consumed+8<<20)+`);
		return bytes('stream', 'consumed');`), consumed)
}

func TestTheLivePageWorksWithTheKeyboardAndSaysItsNumbers(t *testing.T) {
	p := openLive(t)
	require.NoError(t, chromedp.Do(p.patient(t), chromedp.KeyEvent("\t")))
	require.Equal(t, "producer", eval[string](t, p, `return document.activeElement.id`))
	before := eval[string](t, p, `return document.activeElement.getAttribute('aria-valuetext')`)
	require.NoError(t, chromedp.Do(p.patient(t), chromedp.KeyEvent(kb.ArrowLeft)))
	after := eval[string](t, p, `return document.activeElement.getAttribute('aria-valuetext')`)
	require.NotEqual(t, before, after)
	require.Contains(t, after, "/s")
	require.Contains(t, eval[string](t, p, lanesJS+`
		const chart = document.querySelector('#classic svg');
		await until(() => chart.getAttribute('aria-label'));
		return chart.getAttribute('aria-label');`), "waiting")
}

func TestTheLivePageWithoutWebSocketStreamSaysSoAndGoesOn(t *testing.T) {
	p := newLiveTab(t)
	_, err := chromedp.Call(p.patient(t), page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: "delete self.WebSocketStream"})
	require.NoError(t, err)
	p.visit(t, example(t, "live"))
	require.Contains(t, eval[string](t, p, lanesJS+`
		await until(() => bytes('classic', 'consumed') > 0);
		return document.querySelector('#stream .note').innerText;`), "no WebSocketStream")
}

func TestTheLivePageFitsAPhoneAndHasADarkForm(t *testing.T) {
	address := example(t, "live")
	inEachLook(t, "live", 1100, 720, func(t *testing.T) (*tab, string) {
		return newLiveTab(t), address
	}, lanesJS+`await until(() => bytes('classic', 'page') > `+strconv.Itoa(piledUp)+`);`)
}

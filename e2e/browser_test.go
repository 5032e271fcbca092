//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	chromium.stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// A browser is one process of Chromium, which the first test that wants it starts, and all share:
// each has a tab.
type browser struct {
	once sync.Once
	cmd  *exec.Cmd
	ctx  context.Context // chromedp keeps the browser in it
	quit []context.CancelFunc
	err  error
}

var chromium browser

func (b *browser) start(path string) {
	ctx, quit := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.Headless,
		chromedp.NoSandbox, // it may run as root, and visits only our pages
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			own(cmd)
			b.cmd = cmd
		}),
	)
	b.quit = append(b.quit, quit)
	silent := func(string, ...any) {} // what a newer Chromium tells and chromedp does not know
	b.ctx, quit = chromedp.NewContext(ctx, chromedp.WithErrorf(silent))
	b.quit = append(b.quit, quit)
	b.err = chromedp.Do(b.ctx)
}

// stop ends the browser, as its user does, and by force what is left after that.
func (b *browser) stop() {
	if b.cmd == nil {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	_ = chromedp.Cancel(ctx)
	kill(b.cmd)
	for _, quit := range b.quit {
		quit()
	}
}

// A tab shows a page of a site's.
type tab struct {
	ctx   context.Context
	close context.CancelFunc
}

// open opens a page in a tab of its own, which the end of the test closes.
func open(t *testing.T, page string) *tab {
	t.Helper()
	p := newTab(t)
	p.visit(t, page)
	return p
}

func newTab(t *testing.T) *tab {
	t.Helper()
	path := found(t, "chromium")
	chromium.once.Do(func() { chromium.start(path) })
	require.NoError(t, chromium.err)
	ctx, cancel := chromedp.NewContext(chromium.ctx)
	t.Cleanup(cancel)
	// The first Do attaches to the tab, for as long as its context lives.
	require.NoError(t, chromedp.Do(ctx))
	return &tab{ctx, cancel}
}

func TestATabOutlivesTheContextOfItsFirstPage(t *testing.T) {
	p := newTab(t)
	ctx, cancel := context.WithCancel(p.ctx)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	cancel()
	require.Equal(t, 2, eval[int](t, p, `return 1 + 1`))
}

// visit goes to another page.
func (p *tab) visit(t *testing.T, page string) {
	t.Helper()
	require.NoError(t, chromedp.Do(p.patient(t), chromedp.Navigate(page)))
}

// run runs the body of an async function in the page, and waits for it. What the body wants to keep
// it puts into self.
func (p *tab) run(t *testing.T, body string) {
	t.Helper()
	eval[chromedp.Void](t, p, body)
}

// eval is run for a body that returns something.
func eval[T any](t *testing.T, p *tab, body string) T {
	t.Helper()
	v, err := chromedp.Run(p.patient(t),
		chromedp.Evaluate[T]("(async () => {"+body+"\n})()", chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return v
}

func (p *tab) patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

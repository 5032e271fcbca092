//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream/interop/browser"
	"github.com/wsstream/wsstream/interop/trial"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if err := install(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	chromium.stop()
	_ = os.RemoveAll(built.dir)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// install installs what the tests run, as the rows of interop do.
func install() error {
	for _, need := range []trial.Need{
		browser.NeedChromium,
		trial.Program("node", "nodejs"),
		trial.Program("npm", "npm"),
		trial.Program("nginx", "nginx-light"),
		&trial.NPM{Dir: nodeDir},
	} {
		if err := need.Install(context.Background()); err != nil {
			return fmt.Errorf("%s: %w", need, err)
		}
	}
	return nil
}

// A shared browser is one process of Chromium, which the first test that wants it starts, and all
// share: each has a tab.
type shared struct {
	once sync.Once
	ctx  context.Context // chromedp keeps the browser in it
	quit []func()
	err  error
}

var chromium shared

// A suite is a test whose processes live until the end of all tests.
type suite struct {
	*testing.T
	quit *[]func()
}

func (s suite) Cleanup(f func())       { *s.quit = append(*s.quit, f) }
func (suite) Output() io.Writer        { return io.Discard } // Chromium speaks of the desktop
func (suite) Context() context.Context { return context.Background() }

func (b *shared) start(t *testing.T) {
	dir, err := os.MkdirTemp("", "e2e") //nolint:usetesting // it outlives this test
	require.NoError(t, err)
	b.quit = append(b.quit, func() { os.RemoveAll(dir) })
	port := trial.FreePort(t)
	p := browser.Chromium(suite{t, &b.quit}, dir, port, "about:blank")
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p.Listens(patiently{t}, addr)
	ctx, quit := remote.NewAllocator(context.Background(), "http://"+addr)
	b.quit = append(b.quit, quit)
	silent := func(string, ...any) {} // what a newer Chromium tells and chromedp does not know
	b.ctx, quit = chromedp.NewContext(ctx, chromedp.WithErrorf(silent))
	b.quit = append(b.quit, quit)
	b.err = chromedp.Do(b.ctx)
}

// stop ends the browser.
func (b *shared) stop() {
	for _, quit := range slices.Backward(b.quit) {
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
	chromium.once.Do(func() { chromium.start(t) })
	require.NoError(t, chromium.err)
	ctx, cancel := chromedp.NewContext(chromium.ctx)
	t.Cleanup(cancel)
	// The first Do attaches to the tab, for as long as its context lives.
	require.NoError(t, chromedp.Do(ctx))
	// Or else the browser tells the test of each frame of a flood, with its payload.
	_, err := chromedp.Call(ctx, network.Disable, cdp.Empty{})
	require.NoError(t, err)
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

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/trial"
)

// pictures is the folder for the pictures of README.
var pictures = flag.String("pictures", "", "write the pictures of README into this folder")

// gallery has the commands of README's gallery whose picture is their output. Each runs in the root
// of the repository, and ends by itself.
var gallery = []struct{ name, command string }{
	{"pipeline", "go run ./examples/pipeline"},
	{"logtail", "go run ./examples/logtail"},
	{"rows", "go run ./examples/rows"},
	{"fanout", "go run ./examples/fanout -for 6s"},
	{"memory", "go run ./examples/memory -n 500"},
}

func TestTheProgramsOfTheGalleryRunAsREADMEShowsThem(t *testing.T) {
	readme := readREADME(t)
	for _, shown := range gallery {
		t.Run(shown.name, func(t *testing.T) {
			require.Contains(t, readme, "`"+shown.command+"`")
			require.Contains(t, readme, "docs/pictures/"+shown.name+".png")
			out := shell(t, shown.command)
			require.NotEmpty(t, out)
			draw(t, shown.name, "$ "+shown.command+"\n"+out)
		})
	}
}

func TestTheCommandOfTheGalleryRunsAsREADMEShowsIt(t *testing.T) {
	const serve, measure = "go run ./cmd/wsstream serve -- cat",
		"go run ./cmd/wsstream bench --text --rate 1000 --duration 2s ws://localhost:8080"
	readme := readREADME(t)
	require.Contains(t, readme, "`"+serve+"`")
	require.Contains(t, readme, "`"+measure+"`")
	require.Contains(t, readme, "docs/pictures/wsstream.png")
	server := trial.Start(t, "..", nil, "bash", "-c", "exec "+serve)
	server.Listens(patiently{t}, "localhost:8080")
	out := shell(t, measure)
	require.Contains(t, out, "p99")
	draw(t, "wsstream", "$ "+serve+" &\n$ "+measure+"\n"+out)
}

func TestThePicturesOfREADMEExist(t *testing.T) {
	readme := readREADME(t)
	for _, part := range strings.Split(readme, "docs/pictures/")[1:] {
		name := part[:strings.IndexAny(part, `)" `)]
		require.FileExists(t, filepath.Join("../docs/pictures", name))
	}
}

func TestTheChatOfTheGalleryShowsTheCrowd(t *testing.T) {
	require.Contains(t, readREADME(t), "docs/pictures/chat.png")
	p := newTab(t)
	p.visit(t, example(t, "chat", "-crowd", "100", "-for", "60s"))
	require.NoError(t, chromedp.Do(p.patient(t), chromedp.EmulateViewport(900, 560)))
	p.run(t, joinJS+`
		submit('join', 'name', 'Ann');
		await until(() => said().length > 12);`)
	keep(t, p, "chat")
}

func readREADME(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	return string(readme)
}

// shell runs a command of README's in the root of the repository, and returns what it prints.
func shell(t *testing.T, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir = ".."
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), "%s", &out)
	return out.String()
}

// draw draws what a program prints as a picture of a terminal, if the flag asks for pictures.
func draw(t *testing.T, name, text string) {
	t.Helper()
	if *pictures == "" {
		return
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	const most = 30
	if len(lines) > most {
		lines = append(append(lines[:most/3:most/3], "…"), lines[len(lines)-most*2/3:]...)
	}
	p := newTab(t)
	p.visit(t, "data:text/html;charset=utf-8,"+url.PathEscape(fmt.Sprintf(`<!doctype html>
		<style>body { margin: 0; background: #161615; color: #e8e6e0 }
		pre { margin: 0; padding: 20px; font: 14px/1.45 monospace; display: inline-block }</style>
		<pre>%s</pre>`, html.EscapeString(strings.Join(lines, "\n")))))
	size := eval[[2]int](t, p, `const box = document.querySelector('pre').getBoundingClientRect();
		return [Math.ceil(box.width), Math.ceil(box.height)];`)
	require.NoError(t, chromedp.Do(p.patient(t),
		chromedp.EmulateViewport(int64(size[0]), int64(size[1]))))
	keep(t, p, name)
}

// keep writes a picture of the page into a file, if the flag asks for pictures.
func keep(t *testing.T, p *tab, name string) {
	t.Helper()
	if *pictures == "" {
		return
	}
	picture, err := chromedp.Run(p.patient(t), chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(*pictures, name+".png"), picture, 0o644))
}

// inEachLook visits an example's page in its light and its dark form, and in the width of a phone.
// Once the page shows what body waits for, it must fit its width. Its picture is kept.
func inEachLook(
	t *testing.T, name string, width, height int64, open func(*testing.T) (*tab, string), body string,
) {
	for form, look := range map[string]struct {
		width, height int64
		scheme        string
	}{
		"light": {width, height, "light"},
		"dark":  {width, height, "dark"},
		"phone": {390, 844, "light"},
	} {
		t.Run(form, func(t *testing.T) {
			p, address := open(t)
			ctx := p.patient(t)
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
			})
			require.NoError(t, err)
			require.NoError(t, chromedp.Do(ctx,
				chromedp.EmulateViewport(look.width, look.height), chromedp.Navigate(address)))
			require.LessOrEqual(t, eval[int](t, p, body+`
				return document.documentElement.scrollWidth;`), int(look.width))
			background := eval[string](t, p, `return getComputedStyle(document.body).backgroundColor`)
			require.Equal(t, look.scheme == "dark", background == "rgb(22, 22, 21)", background)
			keep(t, p, name+"-"+form)
		})
	}
}

// Package browser starts browsers, which show a page and reach loopback addresses alone.
package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/trial"
)

// What has to be installed.
var (
	NeedChromium = trial.Program("chromium", "chromium")
	NeedFirefox  = trial.Program("firefox-esr", "firefox-esr")
)

// nowhere is a proxy that is not there. Browsers ask no proxy for loopback addresses, and this one for
// all others.
const nowhere = "127.0.0.1:9"

// Chromium shows a page. dir gets its profile. port is that of its debugger; zero: any.
func Chromium(t trial.TB, dir string, port int, page string) *trial.Process {
	return trial.Start(t, "", nil, "chromium",
		"--headless",
		"--remote-debugging-port="+strconv.Itoa(port), // or it shows the page and ends
		"--user-data-dir="+dir,
		"--no-sandbox", // it may run as root, and visits only our pages
		"--proxy-server="+nowhere,
		"--disable-gpu",
		"--disable-dev-shm-usage",
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-sync",
		"--disable-breakpad",
		"--no-first-run",
		// A page in the background is as fast as one that is seen.
		"--disable-background-timer-throttling",
		"--disable-backgrounding-occluded-windows",
		"--disable-renderer-backgrounding",
		page)
}

// Firefox shows a page. dir gets its profile.
func Firefox(t trial.TB, dir, page string) *trial.Process {
	host, port, _ := strings.Cut(nowhere, ":")
	var prefs strings.Builder
	for name, value := range map[string]any{
		"network.proxy.type":                                          1, // the one below
		"network.proxy.http":                                          host,
		"network.proxy.http_port":                                     json.Number(port),
		"network.proxy.ssl":                                           host,
		"network.proxy.ssl_port":                                      json.Number(port),
		"browser.shell.checkDefaultBrowser":                           false,
		"browser.aboutwelcome.enabled":                                false,
		"browser.startup.homepage_override.mstone":                    "ignore",
		"datareporting.policy.dataSubmissionEnabled":                  false,
		"toolkit.telemetry.reportingpolicy.firstRun":                  false,
		"network.captive-portal-service.enabled":                      false,
		"network.connectivity-service.enabled":                        false,
		"browser.tabs.remote.autostart":                               true,
		"browser.sessionstore.resume_from_crash":                      false,
		"datareporting.policy.dataSubmissionPolicyBypassNotification": true,
	} {
		v, err := json.Marshal(value)
		require.NoError(t, err)
		fmt.Fprintf(&prefs, "user_pref(%q, %s);\n", name, v)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "user.js"), []byte(prefs.String()), 0o600))
	env := []string{"HOME=" + dir, "MOZ_CRASHREPORTER_DISABLE=1"}
	return trial.Start(t, "", env, "firefox-esr", "--headless", "--no-remote", "--profile", dir, page)
}

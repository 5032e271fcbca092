// Package e2e has scripted tests against programs that are not of this project. These are pages in
// Chromium, Node with ws and undici, and nginx as docs/proxies.md configures it. The tests have the
// build tag e2e. Package trial of interop installs and starts the programs.
package e2e

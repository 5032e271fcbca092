// Package e2e holds tests against what wsstream meets outside: Chromium with its own
// WebSocketStream and WebSocket, Node with ws and undici, nginx as the page docs/proxies.md
// configures it. They have the build tag e2e, and e2e/run runs them.
package e2e

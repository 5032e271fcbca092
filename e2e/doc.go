// Package e2e has tests against programs that are not of this project. These are Chromium with its
// own WebSocketStream and WebSocket, Node with ws and undici, and nginx as docs/proxies.md
// configures it. They have the build tag e2e, and e2e/run runs them.
package e2e

// Package hostile has tests and nothing else. Each test attacks one side of a connection, and
// limits what the attack costs that side in memory, work and time. The page docs/security.md lists
// the attacks, and names these tests.
package hostile

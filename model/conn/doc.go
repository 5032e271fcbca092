// Package conn tests one connection: random programs of calls, compared with a model.
package conn

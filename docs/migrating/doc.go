// Package migrating has the programs of docs/migrating.md. Each program exists for each library, in
// a package named for the library. The tests let the programs talk to each other.
package migrating

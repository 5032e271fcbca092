// Package migrating holds the programs of docs/migrating.md: the same program for each library, in a package named for
// it, and tests that let them talk to each other.
package migrating

package main

import (
	"slices"

	"github.com/wsstream/wsstream/interop/trial"
)

// rows returns all rows in the order of the table.
func rows() []*trial.Row {
	return slices.Concat(
		goRows(),
		nodeRows(),
		browserRows(),
		protocolRows(),
		proxyRows(),
		pythonRows(),
		debianRows(),
	)
}

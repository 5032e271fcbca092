// Package chart draws what was measured.
package chart

import (
	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// Write writes the charts that results have the figures for into dir.
func Write(dir string, results []report.Result, o scenario.Options) error { return nil }

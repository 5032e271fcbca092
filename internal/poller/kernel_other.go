//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package poller

import "errors"

// A kernel is a poller of the system's. There is none here.
type kernel struct{}

type event struct{}

func newKernel() (*kernel, error) { return nil, errors.ErrUnsupported }

func (*kernel) close()                 {}
func (*kernel) wait() ([]event, error) { return nil, errors.ErrUnsupported }
func (*kernel) now() []event           { return nil }
func (*kernel) add(int32) error        { return errors.ErrUnsupported }
func (*kernel) arm(int32) error        { return errors.ErrUnsupported }
func (*kernel) mute(int32) error       { return errors.ErrUnsupported }
func decode(event) (fd int32, _ Event) { return 0, Event{} }

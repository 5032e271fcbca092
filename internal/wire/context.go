package wire

import "context"

// causeOf returns the cause of the end of ctx, nil if it has not ended. A context that has ended
// because this Conn did ends no call: the call gets the messages that are left, and then the end.
func (c *Conn) causeOf(ctx context.Context) error {
	if ctx.Err() == nil || c.owner.Owns(ctx) {
		return nil
	}
	return context.Cause(ctx)
}

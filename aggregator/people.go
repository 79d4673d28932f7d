package aggregator

import (
	"context"
	"fmt"

	"github.com/linewatch/linewatch/aggregator/auth"
)

// SetPassword gives a user a new password, recorded in the ledger.
func (a *Aggregator) SetPassword(ctx context.Context, name, password, by string) error {
	u, err := a.Store.User(ctx, name)
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	if err := auth.CheckPassword(name, password); err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	if u.Password, err = auth.HashPassword(password); err != nil {
		return err
	}
	return a.changeUser(ctx, u, "password", by)
}

// SetDisabled takes a user's access away or gives it back; open sessions of a
// disabled user end with their next request.
func (a *Aggregator) SetDisabled(ctx context.Context, name string, disabled bool, by string) error {
	u, err := a.Store.User(ctx, name)
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	u.Disabled = disabled
	action := "enable"
	if disabled {
		action = "disable"
	}
	return a.changeUser(ctx, u, action, by)
}

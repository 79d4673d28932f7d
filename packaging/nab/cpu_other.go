//go:build !unix

package nab

import "time"

// processor is the time on the wall, where the system tells no processor time.
func processor() time.Duration { return time.Duration(time.Now().UnixNano()) }

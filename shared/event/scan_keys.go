package event

// keyRoom is the number of open keys that an ordinary event stays below.
const keyRoom = 48

// keyStack holds keys. The first of them lie in the stack itself, and so where the
// scanner does: a leaf is looked at several times on its way, and none of these looks
// should cost memory.
type keyStack struct {
	room [keyRoom]span
	n    int    // in room
	more []span // all of them, from the first time on that room was too small
}

func (k *keyStack) len() int {
	if k.more != nil {
		return len(k.more)
	}
	return k.n
}

func (k *keyStack) push(key span) {
	switch {
	case k.more != nil:
		k.more = append(k.more, key)
	case k.n < keyRoom:
		k.room[k.n] = key
		k.n++
	default:
		k.more = append(append(make([]span, 0, 4*keyRoom), k.room[:]...), key)
	}
}

// cut keeps the first n keys.
func (k *keyStack) cut(n int) {
	if k.more != nil {
		k.more = k.more[:n]
		return
	}
	k.n = n
}

// from are the keys from the index base on.
func (k *keyStack) from(base int) []span {
	if k.more != nil {
		return k.more[base:]
	}
	return k.room[base:k.n]
}

package wire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnObjectThatTwoReadersCouldUnderstandDifferentlyIsRefused(t *testing.T) {
	var h Header
	require.NoError(t, DecodeExact([]byte(`{"origin":"a","first":3,"other":{"first":1}}`), &h))
	require.Equal(t, uint64(3), h.First)
	for _, text := range []string{`{"first":999,"FIRST":0}`, `{"first":1,"first":2}`, `{"Origin":"a"}`, `[]`, `{"first":`, ``} {
		require.Error(t, DecodeExact([]byte(text), &h), text)
	}
}

func TestASegmentWithAnAmbiguousHeaderIsRefused(t *testing.T) {
	frame, err := PackLeaves([][]byte{[]byte("x")})
	require.NoError(t, err)
	head := []byte(`{"origin":"linewatch/a/security/0123456789abcdef","first":999,"FIRST":0,"count":1,"kind":"leaves","checkpoint":"x"}`)
	var b bytes.Buffer
	for _, part := range [][]byte{head, frame} {
		require.NoError(t, binary.Write(&b, binary.BigEndian, uint32(len(part))))
		b.Write(part)
	}
	_, err = NewReader(&b).Next()
	require.ErrorIs(t, err, ErrExact)
}

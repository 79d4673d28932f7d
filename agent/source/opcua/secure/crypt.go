package secure

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"fmt"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// Sizes of OPC 10000-6, 6.7.2, in bytes.
const (
	headerSize    = 12
	tokenSize     = 4
	sequenceSize  = 8
	longSignature = 256 // keys above 2048 bits have a second padding byte
)

// asymmetric is the algorithm of a policy between our key and the certificate of
// the peer; without a certificate, that of policy None.
func (c *Config) asymmetric(policy string, certificate []byte) (*uapolicy.EncryptionAlgorithm, error) {
	if policy == ua.SecurityPolicyURINone {
		return uapolicy.Asymmetric(policy, nil, nil)
	}
	// A chain may follow the leaf.
	certs, err := x509.ParseCertificates(certificate)
	if err != nil || len(certs) == 0 {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	key, ok := certs[0].PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("server certificate: %T is not an RSA key", certs[0].PublicKey)
	}
	return uapolicy.Asymmetric(policy, c.Key, key)
}

// protect signs a chunk, and encrypts what follows its plain header.
func protect(algo *uapolicy.EncryptionAlgorithm, chunk []byte, plain int, encrypted bool) ([]byte, error) {
	body := len(chunk) - plain
	size := body + algo.SignatureLength()
	if encrypted {
		extra := 1
		if algo.RemoteSignatureLength() > longSignature {
			extra = 2
		}
		block := algo.PlaintextBlockSize()
		padding := (block - (size+extra)%block) % block
		for range padding + 1 {
			chunk = append(chunk, byte(padding))
		}
		if extra == 2 {
			chunk = append(chunk, byte(padding>>8))
		}
		size = (size + extra + padding) / block * algo.BlockSize()
	}
	binary.LittleEndian.PutUint32(chunk[4:], uint32(plain+size)) // bounded by the chunk size
	signature, err := algo.Signature(chunk)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	chunk = append(chunk, signature...)
	if !encrypted {
		return chunk, nil
	}
	secret, err := algo.Encrypt(chunk[plain:])
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return append(chunk[:plain:plain], secret...), nil
}

// unprotect decrypts a chunk, checks its signature and returns what follows the
// plain header without padding.
func unprotect(algo *uapolicy.EncryptionAlgorithm, chunk []byte, plain int, encrypted bool) ([]byte, error) {
	if encrypted {
		open, err := algo.Decrypt(chunk[plain:])
		if err != nil {
			return nil, malformed("a chunk can't be decrypted")
		}
		chunk = append(chunk[:plain:plain], open...)
	}
	end := len(chunk) - algo.RemoteSignatureLength()
	if end < plain {
		return nil, malformed("a chunk is too short for its signature")
	}
	if err := algo.VerifySignature(chunk[:end], chunk[end:]); err != nil {
		return nil, malformed("the signature of a chunk is wrong")
	}
	if !encrypted {
		return chunk[plain:end], nil
	}
	extra := 1
	if algo.SignatureLength() > longSignature {
		extra = 2
	}
	if end-plain < extra {
		return nil, malformed("a chunk is too short for its padding")
	}
	padding := int(chunk[end-1])
	if extra == 2 {
		padding = padding<<8 | int(chunk[end-2])
	}
	end -= padding + extra
	if end < plain {
		return nil, malformed("the padding of a chunk is longer than the chunk")
	}
	return chunk[plain:end], nil
}

// maxBody is how much of a message fits into one chunk.
func maxBody(algo *uapolicy.EncryptionAlgorithm, chunk int) int {
	return algo.PlaintextBlockSize()*((chunk-headerSize-tokenSize)/algo.BlockSize()) - sequenceSize - algo.SignatureLength() - 2
}

// NewSessionSignature proves to the server, over its certificate and nonce, that
// we hold our key. It returns signature and algorithm URI; nothing without security.
func (c *Channel) NewSessionSignature(certificate, nonce []byte) (signature []byte, algorithm string, err error) {
	if !c.cfg.secure() {
		return nil, "", nil
	}
	algo, err := c.cfg.asymmetric(c.cfg.Policy, certificate)
	if err != nil {
		return nil, "", err
	}
	signature, err = algo.Signature(join(certificate, nonce))
	if err != nil {
		return nil, "", fmt.Errorf("sign session: %w", err)
	}
	return signature, algo.SignatureURI(), nil
}

// VerifySessionSignature checks the server's proof over our certificate and nonce.
func (c *Channel) VerifySessionSignature(certificate, nonce, signature []byte) error {
	if !c.cfg.secure() {
		return nil
	}
	algo, err := c.cfg.asymmetric(c.cfg.Policy, certificate)
	if err != nil {
		return err
	}
	if err := algo.VerifySignature(join(c.cfg.Certificate, nonce), signature); err != nil {
		return fmt.Errorf("verify session: %w", err)
	}
	return nil
}

// EncryptUserPassword makes the secret of OPC 10000-4, 7.41.2.2 for the server's
// key. It returns the secret and the algorithm URI; policy None leaves it readable.
func (c *Channel) EncryptUserPassword(policy, password string, certificate, nonce []byte) (secret []byte, algorithm string, err error) {
	if policy == ua.SecurityPolicyURINone {
		return []byte(password), "", nil
	}
	algo, err := c.cfg.asymmetric(policy, certificate)
	if err != nil {
		return nil, "", err
	}
	plain := binary.LittleEndian.AppendUint32(nil, uint32(len(password)+len(nonce))) // both are short
	secret, err = algo.Encrypt(join(plain, []byte(password), nonce))
	if err != nil {
		return nil, "", err
	}
	return secret, algo.EncryptionURI(), nil
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

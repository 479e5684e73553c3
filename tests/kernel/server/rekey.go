// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net"
	"strings"
)

// rekey does a handshake, answers whatever comes first and then sends a KeyUpdate (RFC 8446 section 4.6.3), which
// crypto/tls does not: the record is made here, from the secret of the key log.
func (s server) rekey(conn net.Conn) {
	defer conn.Close()
	var secrets bytes.Buffer
	config := s.config.Clone()
	config.KeyLogWriter = &secrets
	// Without tickets the answer is the first record of the session.
	config.SessionTicketsDisabled = true
	secure := tls.Server(conn, config)
	if err := secure.Handshake(); err != nil {
		s.note(entry{What: "refused", Detail: err.Error()})
		return
	}
	first := make([]byte, 4096)
	if _, err := secure.Read(first); err != nil {
		s.note(entry{What: "broken", Detail: err.Error()})
		return
	}
	fmt.Fprint(secure, "hello")
	record, err := keyUpdate(secure.ConnectionState().CipherSuite, secrets.String())
	if err != nil {
		s.note(entry{What: "broken", Detail: err.Error()})
		return
	}
	conn.Write(record)
	// Until the client ends.
	secure.Read(first)
}

// keyUpdate is the second record of the server's session.
func keyUpdate(suite uint16, log string) ([]byte, error) {
	_, line, found := strings.Cut(log, "SERVER_TRAFFIC_SECRET_0 ")
	fields := strings.Fields(line)
	if !found || len(fields) < 2 {
		return nil, errors.New("the key log has no secret")
	}
	secret, err := hex.DecodeString(fields[1])
	if err != nil {
		return nil, err
	}
	var digest func() hash.Hash
	size := 16
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
		digest = sha256.New
	case tls.TLS_AES_256_GCM_SHA384:
		digest, size = sha512.New384, 32
	default:
		return nil, fmt.Errorf("%s is not known here", tls.CipherSuiteName(suite))
	}
	key, err := expandLabel(digest, secret, "key", size)
	if err != nil {
		return nil, err
	}
	nonce, err := expandLabel(digest, secret, "iv", 12)
	if err != nil {
		return nil, err
	}
	nonce[11] ^= 1
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	// KeyUpdate, one byte: the peer need not change its own keys; then the record's true type, handshake.
	plain := []byte{24, 0, 0, 1, 0, 22}
	header := []byte{23, 3, 3, 0, byte(len(plain) + aead.Overhead())}
	return aead.Seal(header, nonce, plain, header), nil
}

// expandLabel is HKDF-Expand-Label of RFC 8446 section 7.1, without context.
func expandLabel(digest func() hash.Hash, secret []byte, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(info, byte(len(label)))
	info = append(info, label...)
	return hkdf.Expand(digest, secret, string(append(info, 0)), size)
}

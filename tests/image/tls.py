"""TLS on a free port of loopback, before a server that has none: `tls.py HOST:PORT CERTIFICATE KEY`. Prints the port."""

import asyncio
import ssl
import sys

host, port = sys.argv[1].rsplit(":", 1)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[2], sys.argv[3])


async def carry(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()


async def accept(reader, writer):
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))


async def main():
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())

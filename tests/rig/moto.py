# moto_server, one request at a time: moto checks the condition of a write and then writes, so that two requests at once both succeed.
import threading

from moto import server

one = threading.Lock()


class OneAtATime(server.DomainDispatcherApplication):
    def __call__(self, environ, start_response):
        with one:
            return super().__call__(environ, start_response)


server.DomainDispatcherApplication = OneAtATime
server.main()

"""Plugs for other libraries: their call, our decoders.

    from anyorder.interop.transformers import decoder
    model.generate(**inputs, custom_generate=decoder(TokenRecycling()))

Each library has a module of its own, which imports it.
"""

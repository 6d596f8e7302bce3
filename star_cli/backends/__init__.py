"""The only room with torch, transformers, vllm, trl and ray: engines write text, trainers and verifiers learn, models
hold weights.
"""
